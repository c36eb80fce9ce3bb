// MULTIFD_ASSERT: the check of our own reasoning that stays on in every build.
#pragma once

#include <stdexcept>

namespace multifd {

/// A broken promise inside the engine. It fails one migration, never the host process: every engine
/// thread catches it at its top.
class InternalError : public std::logic_error {
  public:
    using std::logic_error::logic_error;
};

/// Throws InternalError naming the condition and its place.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace multifd

/// States what the code around it relies on. Never judges bytes from a peer, a file or a user.
#define MULTIFD_ASSERT(condition)       \
    ((condition) ? static_cast<void>(0) \
                 : ::multifd::assertion_failed(#condition, __FILE__, __LINE__))
