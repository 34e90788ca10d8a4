include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# tacit::tacit is everything; a project may also link one layer.
add_library(tacit_tacit INTERFACE)
add_library(tacit::tacit ALIAS tacit_tacit)
set_target_properties(tacit_tacit PROPERTIES EXPORT_NAME tacit)
target_link_libraries(tacit_tacit INTERFACE tacit_eval)

get_property(tacit_libraries GLOBAL PROPERTY TACIT_LIBRARIES)
install(TARGETS ${tacit_libraries} tacit_tacit EXPORT TacitTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tacit)
install(TARGETS tacit RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/tacit/models  # where apps/models.cpp looks for them
  PATTERN "*.partial" EXCLUDE)

set(tacit_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tacit)
install(EXPORT TacitTargets NAMESPACE tacit:: DESTINATION ${tacit_package_dir})
configure_package_config_file(cmake/TacitConfig.cmake.in "${PROJECT_BINARY_DIR}/TacitConfig.cmake"
  INSTALL_DESTINATION ${tacit_package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/TacitConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/TacitConfig.cmake" "${PROJECT_BINARY_DIR}/TacitConfigVersion.cmake"
  cmake/Dependencies.cmake cmake/FindLibTorch.cmake DESTINATION ${tacit_package_dir})
