// Interrupt: one end to every wait on a socket.
#pragma once

namespace multifd {

/// A flag that poll() can wait on. Once raised it stays raised until it is lowered: every wait
/// that watches it returns.
/// Ownership: owns its eventfd; outlives the waits that watch it.
/// Threads:   all members from any thread.
/// Errors:    the constructor throws std::system_error when the process has no descriptor left.
class Interrupt {
  public:
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    void raise() noexcept;  ///< Idempotent; safe in a signal handler.
    /// For who waits, before the next wait: forgets what was raised so far.
    void lower() noexcept;
    [[nodiscard]] bool raised() const noexcept;
    /// For poll(): readable once raised.
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

}  // namespace multifd
