// Totals of the counting library and the report of them; see heap_counter.hpp for both.
#include "tests/support/heap_counter_totals.hpp"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tests/support/heap_counter.hpp"

namespace multifd {
namespace {

constexpr std::array<std::string_view, counter_count> kNames{
    "malloc_calls",     "calloc_calls",  "realloc_calls", "aligned_calls", "scalable_calls",
    "allocation_bytes", "mmap_calls",    "read_calls",    "read_bytes",    "write_calls",
    "write_bytes",      "receive_calls", "receive_bytes", "send_calls",    "send_bytes",
    "copy_calls",       "copy_bytes",    "snapshots"};

// Zero-initialized without code, because the first calls come before any constructor.
constinit std::array<std::atomic<std::uint64_t>, counter_count> totals{};

// The report.

std::array<char, PATH_MAX> report_path;
std::array<char, PATH_MAX + 8> temporary_path;
std::atomic<long> reporting_process;  // 0: this process writes no report
std::atomic_flag writing;             // one writer at a time: exit and the signal may meet
bool path_names_process = false;

/// Appends to a fixed text; what does not fit is left out.
class FixedText {
  public:
    explicit FixedText(std::span<char> target) : target_(target) {}
    void append(std::string_view text) {
        for (const char character : text) {
            if (size_ < target_.size()) target_[size_++] = character;
        }
    }
    void append(std::uint64_t number) {
        std::array<char, 20> digits;
        std::size_t first = digits.size();
        do {
            digits[--first] = static_cast<char>('0' + number % 10);
            number /= 10;
        } while (number != 0);
        append(std::string_view(digits.data() + first, digits.size() - first));
    }
    std::size_t size() const { return size_; }

  private:
    std::span<char> target_;
    std::size_t size_ = 0;
};

/// Puts the process id in the place of "%p" in the wanted path, and makes both paths.
void fix_paths(std::string_view wanted, std::uint64_t process) {
    FixedText path({report_path.data(), report_path.size() - 1});
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted.substr(i, 2) == "%p") {
            path.append(process);
            ++i;
        } else {
            path.append(wanted.substr(i, 1));
        }
    }
    report_path[path.size()] = '\0';
    FixedText temporary({temporary_path.data(), temporary_path.size() - 1});
    temporary.append(std::string_view(report_path.data(), path.size()));
    temporary.append(std::string_view(".part"));
    temporary_path[temporary.size()] = '\0';
}

void on_snapshot_signal(int /*signal*/) {
    write_report();
}

void start_again_in_child() {
    for (auto& total : totals) total.store(0, std::memory_order_relaxed);
    writing.clear();
    const long process = ::syscall(SYS_getpid);
    const char* wanted = std::getenv(kCountersFileVariable);
    reporting_process.store(path_names_process && wanted != nullptr ? process : 0);
    if (wanted != nullptr) fix_paths(wanted, static_cast<std::uint64_t>(process));
}

}  // namespace

void add(Counter counter, std::uint64_t amount) {
    totals[counter].fetch_add(amount, std::memory_order_relaxed);
}

void count_allocation(Counter calls, std::size_t bytes) {
    add(calls, 1);
    add(allocation_bytes, bytes);
}

ssize_t count_transfer(Counter calls, Counter bytes, long result) {
    add(calls, 1);
    if (result > 0) add(bytes, static_cast<std::uint64_t>(result));
    return result;
}

void write_report() {
    if (reporting_process.load() != ::syscall(SYS_getpid) || writing.test_and_set()) return;
    const int saved_errno = errno;
    add(snapshots, 1);
    std::array<char, 2048> storage;
    FixedText text(storage);
    std::uint64_t allocations = 0;
    for (std::size_t i = 0; i < counter_count; ++i) {
        const std::uint64_t value = totals[i].load(std::memory_order_relaxed);
        if (i <= scalable_calls) allocations += value;
        text.append(kNames[i]);
        text.append(std::string_view(" "));
        text.append(value);
        text.append(std::string_view("\n"));
    }
    text.append(std::string_view("allocation_calls "));
    text.append(allocations);
    text.append(std::string_view("\n"));
    const long file = ::syscall(SYS_openat, AT_FDCWD, temporary_path.data(),
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file >= 0) {
        ::syscall(SYS_write, file, storage.data(), text.size());
        ::syscall(SYS_close, file);
        ::syscall(SYS_renameat2, AT_FDCWD, temporary_path.data(), AT_FDCWD, report_path.data(), 0);
    }
    errno = saved_errno;
    writing.clear();
}

void start_reporting() {
    const char* wanted = std::getenv(kCountersFileVariable);
    if (wanted == nullptr || *wanted == '\0') return;
    const long process = ::syscall(SYS_getpid);
    path_names_process = std::string_view(wanted).find("%p") != std::string_view::npos;
    fix_paths(wanted, static_cast<std::uint64_t>(process));
    reporting_process.store(process);
    ::pthread_atfork(nullptr, nullptr, start_again_in_child);
    const char* number = std::getenv(kCountersSignalVariable);
    if (number == nullptr) return;
    struct sigaction action = {};
    action.sa_handler = on_snapshot_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(std::atoi(number), &action, nullptr);
}

}  // namespace multifd
