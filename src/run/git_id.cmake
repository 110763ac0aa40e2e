# Writes OUTPUT with the version and the git id of SOURCE; touches it only when they changed, so
# that one file is compiled again after a commit and none otherwise. Run at build time.
set(id unknown)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=12 HEAD
                  OUTPUT_VARIABLE commit RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(id ${commit})
    execute_process(COMMAND ${GIT} -C ${SOURCE} status --porcelain --untracked-files=no
                    OUTPUT_VARIABLE changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(changes)
      string(APPEND id -dirty)
    endif()
  endif()
endif()
set(text "// Made by git_id.cmake at build time.\n#pragma once\n")
string(APPEND text "#define MENSURA_VERSION \"${VERSION}\"\n#define MENSURA_GIT_ID \"${id}\"\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUTPUT} "${text}")
endif()
