# Everything the project takes from Debian 12; ./config/dev installs it.

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(TBB REQUIRED)
find_package(spdlog REQUIRED)
set(MULTIFD_SPDLOG spdlog::spdlog)
if(MULTIFD_SANITIZE STREQUAL "thread")
  # Debian's library is not instrumented, so its locks would be invisible; its headers are.
  set(MULTIFD_SPDLOG spdlog::spdlog_header_only)
endif()
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
