// A child process under the test's control: started, signalled, awaited within a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace multifd {

struct ProcessSettings {
    std::vector<std::string> arguments;  ///< The first one is the program's path.
    std::vector<std::pair<std::string, std::string>> environment;  ///< On top of the test's own.
    std::string standard_output = "/dev/null";                     ///< A file, replaced.
    std::string standard_error = "/dev/null";
    std::uint64_t address_space_bytes_max = 0;  ///< RLIMIT_AS; 0 means no limit.
};

/// How a process ended, and what it used.
struct ProcessEnd {
    int exit_code = 0;  ///< Or minus the signal that ended it.
    std::uint64_t resident_bytes_max = 0;
    double cpu_seconds = 0;
};

/// Ownership: a process that still runs is killed and reaped by the destructor; it also dies with
///            the thread that started it, so no test leaves one behind.
/// Threads:   signal() and kill() may be called from any thread, everything else from one.
/// Errors:    the constructor throws std::system_error; a program that cannot be executed exits
///            127.
class Process {
  public:
    explicit Process(const ProcessSettings& settings);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Harmless after the end: the process id cannot have been given to another one.
    void signal(int number) noexcept;
    /// SIGKILL, and returns when no instruction of the process will run any more.
    void kill() noexcept;
    /// Empty when it still runs after `limit`. After an end has been seen, gives that end again.
    std::optional<ProcessEnd> wait(std::chrono::milliseconds limit);
    [[nodiscard]] bool running();

  private:
    bool ended_within(std::chrono::milliseconds limit) const noexcept;

    pid_t pid_ = -1;
    int pid_fd_ = -1;
    std::optional<ProcessEnd> end_;
};

/// Runs it to its end; exit code -1000 when it did not end within `limit` and had to be killed.
ProcessEnd run_process(const ProcessSettings& settings, std::chrono::milliseconds limit);

}  // namespace multifd
