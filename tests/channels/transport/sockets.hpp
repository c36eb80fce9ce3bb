// What the transport's tests are written with: connected pairs, patterns, and bounded waits.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "channels/transport/address.hpp"
#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"

namespace multifd {

using Bytes = std::vector<std::byte>;

/// The bound of a wait that is expected to end at once.
inline Deadline soon() {
    return Clock::now() + std::chrono::seconds(20);
}
inline Deadline after(std::chrono::milliseconds wait) {
    return Clock::now() + wait;
}

/// Bytes in which each position can be told from its neighbours.
Bytes pattern(std::size_t size, std::uint32_t seed = 1);

struct Pair {
    Connection left;
    Connection right;
};
/// AF_UNIX; `type` SOCK_STREAM or SOCK_SEQPACKET (where one write is one message).
Pair unix_pair(int type);
/// Over a listener on `host` (127.0.0.1 or ::1).
Pair tcp_pair(const std::string& host);

/// The least send buffer that the kernel gives: long writes are cut into short ones.
void shrink_send_buffer(const Connection& connection);

/// True once `condition` holds; false after soon().
bool eventually(const std::function<bool()>& condition);

/// What this process has used so far.
std::chrono::nanoseconds processor_time();

/// A thread that can be watched until it sleeps in the kernel.
class WatchedThread {
  public:
    explicit WatchedThread(std::function<void()> body);
    ~WatchedThread();
    WatchedThread(const WatchedThread&) = delete;
    WatchedThread& operator=(const WatchedThread&) = delete;

    /// Requires that it does so soon.
    void await_sleep();
    /// Runs a handler in it that does next to nothing: its system call is interrupted.
    void disturb();
    void join();

  private:
    struct Number;
    std::thread thread_;
    std::shared_ptr<Number> number_;
};

}  // namespace multifd
