// The error of a system call, as the project's ErrorCode.
#pragma once

#include <cerrno>

#include "channels/wire/error.hpp"

namespace multifd {

inline ErrorCode system_error(int number) noexcept {
    return ErrorCode(number, boost::system::system_category());
}

/// Of the call that has just failed.
inline ErrorCode last_system_error() noexcept {
    return system_error(errno);
}

}  // namespace multifd
