# Compiler settings common to all targets, and the rule "folder = target = namespace".
add_library(mensura_settings INTERFACE)
target_compile_features(mensura_settings INTERFACE cxx_std_20)
# Contraction would let the compiler choose the rounding of a*b+c and so break bitwise equality
# between code paths; fused operations are written out where they are wanted.
target_compile_options(mensura_settings INTERFACE
  $<BUILD_INTERFACE:-ffp-contract=off>)
target_include_directories(mensura_settings INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/solvers>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/mensura>)

add_library(mensura_warnings INTERFACE)
target_compile_options(mensura_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(MENSURA_WERROR)
  target_compile_options(mensura_warnings INTERFACE -Werror)
endif()
if(MENSURA_NATIVE)
  target_compile_options(mensura_warnings INTERFACE -march=native)
endif()
if(MENSURA_SANITIZE)
  target_compile_options(mensura_warnings INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(mensura_warnings INTERFACE -fsanitize=address,undefined)
endif()

set_property(GLOBAL PROPERTY MENSURA_LIBRARIES "")

# mensura_library(NAME sources... DEPENDS libraries... PRIVATE_DEPENDS libraries...)
# makes the static library mensura_NAME (alias Mensura::NAME) from the current folder.
function(mensura_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(mensura_${NAME} STATIC ${ARG_SOURCES})
  add_library(Mensura::${NAME} ALIAS mensura_${NAME})
  set_target_properties(mensura_${NAME} PROPERTIES EXPORT_NAME ${NAME} POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(mensura_${NAME} PUBLIC mensura_settings ${ARG_DEPENDS}
                        PRIVATE $<BUILD_INTERFACE:mensura_warnings> ${ARG_PRIVATE_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY MENSURA_LIBRARIES mensura_${NAME})
endfunction()
