#include "engine/cli/signals.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>

namespace multifd {
namespace {

// A handler may touch only lock-free atomics; these publish nothing but themselves.
std::atomic<int> pipe_for_handler{-1};
std::atomic<int> signals_caught{0};

/// Beyond this many the thread that acts on signals is taken to be stuck itself.
constexpr int kPatience = 3;

constexpr unsigned char kStop = 0;  ///< On the pipe: no signal has this number.

void on_signal(int signal) {
    const int kept_errno = errno;
    if (signals_caught.fetch_add(1) + 1 > kPatience) ::_exit(128 + signal);
    const auto byte = static_cast<unsigned char>(signal);
    // A full pipe means that a signal is already waiting.
    [[maybe_unused]] const ssize_t ignored = ::write(pipe_for_handler.load(), &byte, 1);
    errno = kept_errno;
}

}  // namespace

class Signals::Implementation {
  public:
    explicit Implementation(Action action) : action_(std::move(action)) {
        if (::pipe2(pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
            throw std::system_error(errno, std::generic_category(), "pipe");
        }
        signals_caught = 0;
        pipe_for_handler = pipe_[1];
        thread_ = std::thread([this] { act(); });
        struct sigaction change {};
        change.sa_handler = on_signal;
        change.sa_flags = SA_RESTART;
        sigemptyset(&change.sa_mask);
        struct sigaction former_hangup {};
        ::sigaction(SIGHUP, nullptr, &former_hangup);
        hangup_ = former_hangup.sa_handler != SIG_IGN;
        catch_with(change);
        change.sa_handler = SIG_IGN;
        ::sigaction(SIGPIPE, &change, &former_pipe_);
    }

    ~Implementation() {
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN;
        catch_with(ignore);
        ::sigaction(SIGPIPE, &former_pipe_, nullptr);
        stopping_ = true;
        [[maybe_unused]] const ssize_t ignored = ::write(pipe_[1], &kStop, 1);
        thread_.join();
        pipe_for_handler = -1;
        ::close(pipe_[0]);
        ::close(pipe_[1]);
    }

    void handle(Action action) {
        const std::lock_guard lock(mutex_);
        action_ = std::move(action);
    }

  private:
    void catch_with(const struct sigaction& change) const noexcept {
        ::sigaction(SIGINT, &change, nullptr);
        ::sigaction(SIGTERM, &change, nullptr);
        if (hangup_) ::sigaction(SIGHUP, &change, nullptr);
    }

    void act() {
        int signal = 0;
        int count = 0;
        std::optional<std::chrono::milliseconds> again;
        while (!stopping_) {
            pollfd entry{pipe_[0], POLLIN, 0};
            const int timeout_ms = again ? static_cast<int>(again->count()) : -1;
            const int ready = ::poll(&entry, 1, timeout_ms);
            if (ready < 0 && errno != EINTR) return;
            if (ready < 0) continue;
            if (ready > 0) {
                unsigned char byte = kStop;
                if (::read(pipe_[0], &byte, 1) != 1) continue;
                if (byte == kStop) return;
                signal = byte;
                ++count;
            }
            const std::lock_guard lock(mutex_);
            again = action_ ? action_(signal, count) : std::nullopt;
        }
    }

    std::array<int, 2> pipe_{-1, -1};
    bool hangup_ = false;  ///< Nobody has had SIGHUP ignored.
    struct sigaction former_pipe_ {};
    std::atomic<bool> stopping_{false};  ///< Publishes that the destructor has begun.

    std::mutex mutex_;  ///< Guards action_, and is held while it runs.
    Action action_;

    std::thread thread_;
};

Signals::Signals(Action action)
    : implementation_(std::make_unique<Implementation>(std::move(action))) {}

Signals::~Signals() = default;

void Signals::handle(Action action) {
    implementation_->handle(std::move(action));
}

const char* signal_name(int signal) noexcept {
    if (signal == SIGHUP) return "SIGHUP";
    return signal == SIGTERM ? "SIGTERM" : "SIGINT";
}

}  // namespace multifd
