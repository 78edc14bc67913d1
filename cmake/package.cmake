# What other projects install: the test kit as a CMake package - one archive of every room that it needs, its few
# public headers - and the program. `cmake --install build/release --component testkit` needs a build of ladon_package,
# `--component program` one of ladon.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# The libraries of all rooms that `room` uses, itself among them.
function(ladon_rooms_below room into)
  set(found ${${into}})
  if(NOT ladon_${room} IN_LIST found)
    list(APPEND found ladon_${room})
    get_target_property(used ladon_${room} INTERFACE_LINK_LIBRARIES)
    foreach(library IN LISTS used)
      if(library MATCHES "^ladon_(.+)$")
        ladon_rooms_below(${CMAKE_MATCH_1} found)
      endif()
    endforeach()
  endif()
  set(${into} ${found} PARENT_SCOPE)
endfunction()

set(rooms)
ladon_rooms_below(testkit rooms)
set(objects)
foreach(room IN LISTS rooms)
  get_target_property(kind ${room} TYPE)
  if(kind STREQUAL "STATIC_LIBRARY")
    list(APPEND objects $<TARGET_OBJECTS:${room}>)
  endif()
endforeach()

add_library(ladon_package STATIC ${objects})
set_target_properties(ladon_package PROPERTIES
  LINKER_LANGUAGE CXX
  EXPORT_NAME testkit
  OUTPUT_NAME ladon_testkit)
target_compile_features(ladon_package INTERFACE cxx_std_23)
target_link_libraries(ladon_package INTERFACE fmt::fmt spdlog::spdlog yaml-cpp Threads::Threads pcap)
# <ladon/testkit/rack.h> for those who use it, "testkit/guest.h" for the headers themselves.
target_include_directories(ladon_package INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/ladon>)

set(headers rack.h guest.h path.h fault.h)
list(TRANSFORM headers PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/src/testkit/)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ladon/testkit COMPONENT testkit)
install(TARGETS ladon_package EXPORT LadonTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT testkit)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/Ladon)
install(EXPORT LadonTargets NAMESPACE Ladon:: DESTINATION ${config} COMPONENT testkit)
configure_package_config_file(cmake/LadonConfig.cmake.in ${CMAKE_BINARY_DIR}/package/LadonConfig.cmake
  INSTALL_DESTINATION ${config})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/LadonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/LadonConfig.cmake ${CMAKE_BINARY_DIR}/package/LadonConfigVersion.cmake
  DESTINATION ${config} COMPONENT testkit)
if(TARGET ladon)
  install(TARGETS ladon RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
endif()
