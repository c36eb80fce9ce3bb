#include "tests/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <system_error>

namespace multifd {
namespace {

constexpr int kNotExecuted = 127;
constexpr int kNeverEnded = -1000;

// glibc 2.36 declares these two without C linkage.
int open_pid_fd(pid_t pid) {
    return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
void send_signal(int pid_fd, int number) {
    syscall(SYS_pidfd_send_signal, pid_fd, number, nullptr, 0);
}

/// NULL-terminated pointers into `strings`, as execve wants them.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (auto& string : strings) pointers.push_back(string.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& additions) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const auto replaced = [&](const auto& addition) {
            return text.starts_with(addition.first + "=");
        };
        if (std::ranges::none_of(additions, replaced)) result.emplace_back(text);
    }
    for (const auto& [name, value] : additions) result.push_back(name + "=" + value);
    return result;
}

bool redirect(const char* path, int flags, int target) {
    const int file = open(path, flags, 0644);
    return file >= 0 && dup2(file, target) == target;
}

/// The child's side of fork: calls only what is safe there, and does not return.
[[noreturn]] void become(const ProcessSettings& settings, char** arguments, char** environment) {
    constexpr int kWriting = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The test's threads may block signals; the program must begin with none blocked.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (settings.address_space_bytes_max != 0) {
        const rlimit limit{settings.address_space_bytes_max, settings.address_space_bytes_max};
        setrlimit(RLIMIT_AS, &limit);
    }
    if (redirect("/dev/null", O_RDONLY | O_CLOEXEC, STDIN_FILENO) &&
        redirect(settings.standard_output.c_str(), kWriting, STDOUT_FILENO) &&
        redirect(settings.standard_error.c_str(), kWriting, STDERR_FILENO)) {
        execve(arguments[0], arguments, environment);
    }
    _exit(kNotExecuted);
}

}  // namespace

Process::Process(const ProcessSettings& settings) {
    std::vector<std::string> arguments = settings.arguments;
    std::vector<std::string> environment = environment_with(settings.environment);
    const auto argument_pointers = pointers_to(arguments);
    const auto environment_pointers = pointers_to(environment);
    pid_ = fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
        become(settings, const_cast<char**>(argument_pointers.data()),
               const_cast<char**>(environment_pointers.data()));
    }
    pid_fd_ = open_pid_fd(pid_);
    if (pid_fd_ < 0) {
        const int error = errno;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        throw std::system_error(error, std::generic_category(), "pidfd_open");
    }
}

Process::~Process() {
    if (!end_) {
        kill();
        waitpid(pid_, nullptr, 0);
    }
    close(pid_fd_);
}

void Process::signal(int number) noexcept {
    send_signal(pid_fd_, number);
}

void Process::kill() noexcept {
    signal(SIGKILL);
    ended_within(std::chrono::seconds(30));
}

bool Process::ended_within(std::chrono::milliseconds limit) const noexcept {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd entry{pid_fd_, POLLIN, 0};
        const int ready =
            poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready > 0) return true;
        if (ready == 0) return false;
    }
}

std::optional<ProcessEnd> Process::wait(std::chrono::milliseconds limit) {
    if (end_) return end_;
    if (!ended_within(limit)) return std::nullopt;
    int status = 0;
    rusage usage{};
    wait4(pid_, &status, 0, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    end_ = ProcessEnd{
        .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
        .resident_bytes_max = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
        .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
    };
    return end_;
}

bool Process::running() {
    return !end_ && !ended_within(std::chrono::milliseconds(0));
}

ProcessEnd run_process(const ProcessSettings& settings, std::chrono::milliseconds limit) {
    Process process(settings);
    if (const auto end = process.wait(limit)) return *end;
    return {.exit_code = kNeverEnded};
}

}  // namespace multifd
