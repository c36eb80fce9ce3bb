// wait_until_ready: the one wait on a descriptor, bounded by a deadline and an interrupt.
#pragma once

#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/wire/error.hpp"

namespace multifd {

/// Returns when poll() reports any of `events` (POLLIN, POLLOUT) or an error on `fd`. A raised
/// interrupt comes first, then a passed deadline, and both count even when `fd` is ready: a peer
/// that keeps dripping bytes cannot outrun them.
/// Errors:    cancelled, phase_timeout, or poll()'s own.
ErrorCode wait_until_ready(int fd, short events, Deadline deadline, const Interrupt* interrupt);

/// The error of a wait for a connection: phase_timeout is connect_timeout there.
ErrorCode as_connect_timeout(const ErrorCode& error) noexcept;

}  // namespace multifd
