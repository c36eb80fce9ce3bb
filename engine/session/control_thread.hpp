// ControlThread: heartbeats, the peer's errors, the return path and the watchdog, apart from all
// data.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/return_path.hpp"

namespace multifd {

/// What the control thread tells its session. All calls come from the control thread, and must be
/// short.
class ControlEvents {
  public:
    virtual void on_tick(Clock::time_point now) = 0;
    /// What the next heartbeat says.
    virtual Heartbeat heartbeat() = 0;
    virtual void on_heartbeat(const Heartbeat& peer) = 0;
    virtual void on_peer_error(const PeerError& error) = 0;
    virtual void on_cancel_request() = 0;
    virtual void on_return_path(const Message& message) = 0;
    /// A connection ended; false means in good order. The last word about that connection.
    virtual void on_control_ended(ErrorCode error) = 0;
    virtual void on_return_path_ended(ErrorCode error) = 0;
    /// Something escaped from one of the above: the migration fails, the thread goes on.
    virtual void on_control_fault(std::exception_ptr fault) = 0;

  protected:
    ~ControlEvents() = default;
};

/// The session's control thread. It never touches device data and never waits for a device, so
/// heartbeats go on while a device call blocks.
/// Ownership: owns the control connection once attached; borrows the main channel for reading.
/// Threads:   all members from any thread.
class ControlThread {
  public:
    /// `events` outlives the thread; nothing happens before start().
    ControlThread(ControlEvents& events, Clock::duration tick);
    ~ControlThread();
    ControlThread(const ControlThread&) = delete;
    ControlThread& operator=(const ControlThread&) = delete;

    /// Ticks from here on.
    void start();
    /// The return path is read from here on; `main_channel` outlives the thread.
    void watch_return_path(const Connection& main_channel);
    /// Heartbeats are sent and expected from here on.
    void attach(Connection control);
    /// Puts a message in line; dropped when there is no connection.
    void send(ControlType type, std::span<const std::byte> body = {});
    /// Waits until everything in line has been handed to the kernel, or cannot be.
    void flush(Deadline deadline);
    /// Waits until the peer has said its last word on the control connection and the return path.
    void await_last_word(Deadline deadline);
    /// The last moment at which the peer was heard; nothing without a control connection.
    [[nodiscard]] std::optional<Clock::time_point> last_heard() const;
    /// Ends and joins the thread; closes the control connection.
    void stop() noexcept;

  private:
    // One direction of one connection.
    struct Inbox {
        std::vector<std::byte> bytes;
        std::size_t filled = 0;
        bool open = false;
    };
    void run() noexcept;
    void turn(std::chrono::milliseconds wait);
    void receive(Inbox& inbox, int fd, bool control);
    void take_messages(Inbox& inbox, bool control);
    ErrorCode dispatch_control(const Message& message);
    void end(Inbox& inbox, bool control, ErrorCode error);
    void write_outbox();
    void wake() noexcept;

    // Constant after construction.
    ControlEvents& events_;
    const Clock::duration tick_;
    int wake_fd_ = -1;
    // Shared, under mutex_.
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Connection> control_;
    std::vector<std::byte> outbox_;
    int return_path_fd_ = -1;
    bool control_ended_ = false;
    bool stopping_ = false;
    Clock::time_point last_heard_;
    // Touched only on the thread.
    Inbox control_inbox_, return_inbox_;
    Clock::time_point next_tick_;
    std::thread thread_;
};

}  // namespace multifd
