# cmake --install: the library, the public headers (kernels and private headers stay behind), and
# what find_package(rapt) needs.
include(CMakePackageConfigHelpers)

install(TARGETS rapt EXPORT raptTargets)
install(FILES ${PROJECT_SOURCE_DIR}/rapt.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rapt)
foreach(folder autograd nn optim data training)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rapt
          FILES_MATCHING PATTERN "*.h"
          PATTERN "graph" EXCLUDE
          PATTERN "kernels" EXCLUDE
          PATTERN "detail" EXCLUDE)
endforeach()

set(rapt_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rapt)
install(EXPORT raptTargets NAMESPACE rapt:: DESTINATION ${rapt_config_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/raptConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/raptConfig.cmake
                              INSTALL_DESTINATION ${rapt_config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/raptConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/raptConfig.cmake ${PROJECT_BINARY_DIR}/raptConfigVersion.cmake
        DESTINATION ${rapt_config_dir})
