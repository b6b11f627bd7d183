# Horovod 0.28.1 asks for C++14, the headers of torch 2.13 need C++20: whatever is asked for is C++20.
foreach(standard 11 14 17)
  set(CMAKE_CXX${standard}_STANDARD_COMPILE_OPTION "-std=gnu++20")
  set(CMAKE_CXX${standard}_EXTENSION_COMPILE_OPTION "-std=gnu++20")
endforeach()
