# Fails unless SOURCE stands in PAGE, line by line, as a block of code indented by four columns.
file(READ "${SOURCE}" source)
file(READ "${PAGE}" page)
string(REGEX REPLACE "\n([^\n])" "\n    \\1" block "\n${source}")
string(FIND "${page}" "${block}" found)
if(found EQUAL -1)
  message(FATAL_ERROR "expected ${PAGE} to print ${SOURCE} as it is")
endif()
