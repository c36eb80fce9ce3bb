// Signals: SIGINT, SIGTERM and SIGHUP as events for the command; the library never sees them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace multifd {

/// Catches SIGINT, SIGTERM and, unless it was ignored before, SIGHUP; ignores SIGPIPE. From its
/// destruction on it ignores those three instead, so that a signal cannot change the exit code of a
/// process that is about to end. At most one at a time in a process.
/// Threads:   actions run on a thread of its own, one at a time. handle() waits for an action that
///            is running, so that after handle() the former action runs no more.
/// Errors:    the constructor throws std::system_error.
class Signals {
  public:
    /// Called with the signal and how many have come in all. A duration asks to be called again
    /// after it, with the same arguments, unless another signal comes before.
    using Action = std::function<std::optional<std::chrono::milliseconds>(int signal, int count)>;

    explicit Signals(Action action);
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    /// From now on `action` is called instead.
    void handle(Action action);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

/// "SIGINT", "SIGTERM" or "SIGHUP".
const char* signal_name(int signal) noexcept;

}  // namespace multifd
