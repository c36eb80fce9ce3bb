#include "engine/cli/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace multifd {
namespace {

constexpr std::chrono::milliseconds kPollEvery{10};
constexpr int kExecFailed = 127;

/// While it lives this thread gets none of the signals that the command handles. A child begins
/// with its parent's handlers, and through them would tell the parent of signals of its own.
class SignalsHeldBack {
  public:
    SignalsHeldBack() noexcept {
        sigset_t held{};
        ::sigemptyset(&held);
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&held, number);
        ::pthread_sigmask(SIG_BLOCK, &held, &before_);
    }
    ~SignalsHeldBack() { let_go(); }
    SignalsHeldBack(const SignalsHeldBack&) = delete;
    SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

    void let_go() const noexcept { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

/// Runs in the child after fork(): only what is safe there, and no way back.
[[noreturn]] void become(const char* program, const char* const* words, const ChildOutput& output,
                         pid_t parent, const SignalsHeldBack& held_back) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(kExecFailed);  // It died before the line above.
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    // One that is ignored stays so: nohup means the children too.
    struct sigaction hangup {};
    ::sigaction(SIGHUP, nullptr, &hangup);
    if (hangup.sa_handler != SIG_IGN) ::signal(SIGHUP, SIG_DFL);
    held_back.let_go();
    const auto redirect = [](const char* path, int descriptor) {
        const int file = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(kExecFailed);
        ::close(file);
    };
    if (output.output_file.empty()) {
        ::dup2(STDERR_FILENO, STDOUT_FILENO);
    } else {
        redirect(output.output_file.c_str(), STDOUT_FILENO);
    }
    if (!output.error_file.empty()) redirect(output.error_file.c_str(), STDERR_FILENO);
    ::execv(program, const_cast<char* const*>(words));
    ::_exit(kExecFailed);
}

std::vector<std::string> with_name(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "multifd");
    return arguments;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const ChildOutput& output)
    : ChildProcess("/proc/self/exe", with_name(arguments), output) {}

ChildProcess::ChildProcess(const std::string& program, const std::vector<std::string>& words,
                           const ChildOutput& output) {
    std::vector<const char*> pointers;
    pointers.reserve(words.size() + 1);
    for (const std::string& word : words) pointers.push_back(word.c_str());
    pointers.push_back(nullptr);
    const pid_t parent = ::getpid();
    const SignalsHeldBack held_back;
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) become(program.c_str(), pointers.data(), output, parent, held_back);
    ::setpgid(pid_, pid_);  // Whoever of the two is first; the other's comes to nothing.
}

ChildProcess::~ChildProcess() {
    signal(SIGKILL);
    reap(0);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds patience) {
    // A killed or stopped child must not block the other end's, so nothing here waits in the
    // kernel.
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const std::optional<int> code = reap(WNOHANG);
        if (code || std::chrono::steady_clock::now() >= deadline) return code;
        std::this_thread::sleep_for(kPollEvery);
    }
}

void ChildProcess::signal(int number) noexcept {
    const std::lock_guard lock(mutex_);
    if (!exit_code_) ::kill(pid_, number);
}

int ChildProcess::end_group(std::chrono::milliseconds patience) noexcept {
    // It is not reaped before the last signal: until then its number is that of its group.
    signal_group(SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!has_ended() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kPollEvery);
    }
    signal_group(SIGKILL);
    return reap(0).value_or(128 + SIGKILL);
}

void ChildProcess::signal_group(int number) noexcept {
    const std::lock_guard lock(mutex_);
    if (!exit_code_) ::kill(-pid_, number);
}

bool ChildProcess::has_ended() noexcept {
    const std::lock_guard lock(mutex_);
    if (exit_code_) return true;
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
    return ended.si_pid == pid_;
}

std::optional<int> ChildProcess::reap(int options) noexcept {
    const std::lock_guard lock(mutex_);
    if (exit_code_) return exit_code_;
    int status = 0;
    pid_t ended = 0;
    do {
        ended = ::waitpid(pid_, &status, options);
    } while (ended < 0 && errno == EINTR);
    if (ended == pid_) {
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return exit_code_;
}

}  // namespace multifd
