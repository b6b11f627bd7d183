"""Names of our columns beside a source's own, which may have any name, with an underscore or without."""

CORRUPT = "recaug_corrupt"  # a line that Spark cannot parse, such as one that was cut off
EVENT = "recaug_event"
FILE = "recaug_file"
POSITION = "recaug_position"
REASONS = "recaug_reasons"
PLACE = "recaug_place"  # of an element in its array, for each array on the way
OURS = (CORRUPT, EVENT, FILE, POSITION, REASONS, PLACE)
UNPARSED = "_corrupt_record"  # what the quarantine's raw JSON calls CORRUPT
