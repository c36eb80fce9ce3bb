// start_quiet_thread: a thread of the library's own that never runs a signal handler of its host.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace multifd {

/// Blocks every signal while it lives; threads started meanwhile inherit that.
class SignalsBlocked {
  public:
    SignalsBlocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

/// `name`: at most 15 bytes, as `top -H` shows it.
/// Errors:    throws std::system_error.
template <class Body>
std::thread start_quiet_thread(const char* name, Body&& body) {
    const SignalsBlocked blocked;
    std::thread thread(std::forward<Body>(body));
    ::pthread_setname_np(thread.native_handle(), name);
    return thread;
}

}  // namespace multifd
