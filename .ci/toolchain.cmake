# CMake reads this before it knows the compiler; cxx20.cmake has to come after, in each project().
set(CMAKE_PROJECT_INCLUDE "${CMAKE_CURRENT_LIST_DIR}/cxx20.cmake")
