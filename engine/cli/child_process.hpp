// ChildProcess: this command again with other arguments, or another program.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace multifd {

/// Where a child's standard output and error go.
struct ChildOutput {
    std::string output_file;  ///< Empty: this process's standard error.
    std::string error_file;   ///< Empty: this process's own standard error.
};

/// Runs it in a process group of its own; it gets SIGTERM when its parent's starting
/// thread ends, however that happens.
/// Ownership: the destructor kills and reaps a child that still runs.
/// Threads:   wait() on one thread; signal() from any thread, also while another waits.
/// Errors:    the constructor throws std::system_error.
class ChildProcess {
  public:
    /// This command: `arguments` is without the program's name.
    ChildProcess(const std::vector<std::string>& arguments, const ChildOutput& output);
    /// `program` is a path, and `words` begins with its name. What cannot be run ends with 127.
    ChildProcess(const std::string& program, const std::vector<std::string>& words,
                 const ChildOutput& output);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// Its exit code once it has ended, 128 + signal if a signal ended it; empty when `patience` is
    /// over.
    std::optional<int> wait(std::chrono::milliseconds patience);
    /// Nothing happens when it has ended.
    void signal(int number) noexcept;
    /// Ends it with all that it has started in its process group, by SIGTERM, and by SIGKILL once
    /// it has ended or `patience` is over; gives its exit code.
    int end_group(std::chrono::milliseconds patience) noexcept;

  private:
    std::optional<int> reap(int options) noexcept;
    void signal_group(int number) noexcept;
    bool has_ended() noexcept;

    std::mutex mutex_;  ///< Guards pid_ and exit_code_: no signal to a reaped pid.
    pid_t pid_ = -1;
    std::optional<int> exit_code_;
};

}  // namespace multifd
