# Install step: headers, libraries, drivers and the CMake package "Mensura".
include(CMakePackageConfigHelpers)
get_property(libraries GLOBAL PROPERTY MENSURA_LIBRARIES)
install(TARGETS mensura_settings mensura_hdf5 ${libraries} EXPORT MensuraTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY src/ solvers/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mensura
        FILES_MATCHING PATTERN "*.hpp")
install(DIRECTORY inputs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/mensura/inputs)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Mensura)
install(EXPORT MensuraTargets NAMESPACE Mensura:: DESTINATION ${package_folder})
configure_package_config_file(cmake/MensuraConfig.cmake.in
  ${PROJECT_BINARY_DIR}/MensuraConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/MensuraConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/MensuraConfig.cmake ${PROJECT_BINARY_DIR}/MensuraConfigVersion.cmake
        DESTINATION ${package_folder})
