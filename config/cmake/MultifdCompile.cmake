# How every target of this project is compiled: language, warnings, sanitizers.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(MULTIFD_CCACHE ccache)
if(MULTIFD_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MULTIFD_CCACHE})
endif()

set(MULTIFD_SANITIZE "" CACHE STRING "address (with undefined), thread, or empty")

# multifd_target(NAME) gives a library, command or test the project's settings.
function(multifd_target name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Werror)
  if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees ghosts in <variant> when it inlines as much as it can in a batch.
    target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(MULTIFD_SANITIZE STREQUAL "address")
    # Its check of vptr asks the kernel through a pipe, and so fails where a test has taken all
    # descriptors.
    target_compile_options(${name} PRIVATE -fsanitize=address,undefined -fno-sanitize=vptr
      -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${name} PRIVATE -fsanitize=address,undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_UNITY_BUILD)
      # g++ 12 warns inside <regex> (which Catch2 includes) under the sanitizer.
      target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
    endif()
  elseif(MULTIFD_SANITIZE STREQUAL "thread")
    target_compile_options(${name} PRIVATE -fsanitize=thread -fno-omit-frame-pointer)
    target_link_options(${name} PRIVATE -fsanitize=thread)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # g++ 12 warns about fences, which Asio's headers use.
      target_compile_options(${name} PRIVATE -Wno-tsan)
    endif()
    # Debian's libtbb is not instrumented; the plain twin of the queue stands in for it.
    target_compile_definitions(${name} PRIVATE MULTIFD_PLAIN_QUEUE)
  endif()
  if(MULTIFD_BUILD_FUZZ)
    # Coverage for the fuzzer; its main() is linked in tests/fuzz alone.
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# multifd_library(NAME SOURCES...) declares multifd_NAME with the alias multifd::NAME.
function(multifd_library name)
  add_library(multifd_${name} STATIC ${ARGN})
  add_library(multifd::${name} ALIAS multifd_${name})
  multifd_target(multifd_${name})
  # Project headers are named from the root: "channels/wire/error.hpp".
  target_include_directories(multifd_${name} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()

# multifd_compile_alone(SOURCES...) keeps sources of this folder out of the batches of CMAKE_UNITY_BUILD,
# because they share a file-local name, or cannot share a header, with another source of the target.
function(multifd_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
