// What else could be done with a socket: each trial moves the same bytes over one TCP connection of
// the loopback as the engine's channels do (blocking calls, one sendmsg of header and payload) and
// in another way, in turns, and prints the medians of both and of the ratios within the rounds.
//
//     socket_trials [--size MIB] [--rounds N] [--congestion-control NAME] [--only WORD]
//
// Both ends are processes of their own with one thread. perf/README.md says how to read it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "perf/socket_ways.hpp"

namespace socket_trials {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;
constexpr std::size_t kMemoryBytes = 256 * kMiB;  ///< At each end: far more than the caches hold.

/// How one side of a comparison does it; the default is what the engine does.
struct Method {
    SendWay send = SendWay::blocking;
    ReceiveWay receive = ReceiveWay::blocking;
    std::size_t packet_bytes = kMiB;
    std::size_t batch = 1;
    int notsent_lowat = 0;  ///< 0: the system's, as for the following.
    int socket_buffer = 0;  ///< SO_SNDBUF and SO_RCVBUF.
    bool huge_pages = true;
};

struct Trial {
    const char* name;
    Method before;
    Method after;
};

constexpr std::size_t kSmall = 4 * kKiB, kMiddle = 64 * kKiB;
const auto kTrials = std::to_array<Trial>({
    {"the same twice", {}, {}},
    {"MSG_ZEROCOPY", {}, {.send = SendWay::zerocopy}},
    {"io_uring, sending", {}, {.send = SendWay::ring}},
    {"io_uring, both ends", {}, {.send = SendWay::ring, .receive = ReceiveWay::ring}},
    {"io_uring, both ends, 4 packets at a time",
     {},
     {.send = SendWay::ring, .receive = ReceiveWay::ring, .batch = 4}},
    {"Asio handlers, both ends", {}, {.send = SendWay::handlers, .receive = ReceiveWay::handlers}},
    {"Asio handlers, packets of 64 KiB",
     {.packet_bytes = kMiddle},
     {.send = SendWay::handlers, .receive = ReceiveWay::handlers, .packet_bytes = kMiddle}},
    {"TCP_NOTSENT_LOWAT 128 KiB", {}, {.notsent_lowat = 128 * kKiB}},
    {"SO_SNDBUF, SO_RCVBUF 256 KiB", {}, {.socket_buffer = 256 * kKiB}},
    {"SO_SNDBUF, SO_RCVBUF 1 MiB", {}, {.socket_buffer = kMiB}},
    {"SO_SNDBUF, SO_RCVBUF 4 MiB", {}, {.socket_buffer = 4 * kMiB}},
    {"small pages for the memory", {}, {.huge_pages = false}},
    {"header and payload in one recvmsg", {}, {.receive = ReceiveWay::together}},
    {"the same, packets of 64 KiB",
     {.packet_bytes = kMiddle},
     {.receive = ReceiveWay::together, .packet_bytes = kMiddle}},
    {"4 packets of 64 KiB in one sendmsg",
     {.packet_bytes = kMiddle},
     {.packet_bytes = kMiddle, .batch = 4}},
    {"16 packets of 4 KiB in one sendmsg",
     {.packet_bytes = kSmall},
     {.packet_bytes = kSmall, .batch = 16}},
});

struct Options {
    std::size_t bytes = 1024 * kMiB;
    std::size_t rounds = 5;
    std::string congestion_control;
    std::string only;
};

struct Figures {
    double gb_per_s = 0;
    double cpu_s_per_gb = 0;
    Remarks remarks;
};

/// What the destination says at its end.
struct Ending {
    double at_s = 0;
    double cpu_s = 0;
};

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

double seconds(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::span<std::byte> map_memory(bool huge_pages) {
    void* const memory =
        ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    ::madvise(memory, kMemoryBytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    std::memset(memory, 1, kMemoryBytes);
    return {static_cast<std::byte*>(memory), kMemoryBytes};
}

void set(int socket, int level, int option, int value, const char* what) {
    if (value == 0) return;
    if (::setsockopt(socket, level, option, &value, sizeof value) != 0) fail(what);
}

/// With what has to be set before it connects or listens.
int open_socket(const Method& method, const Options& options) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) fail("socket");
    const auto& control = options.congestion_control;
    if (!control.empty() && ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, control.data(),
                                         static_cast<socklen_t>(control.size())) != 0) {
        fail("--congestion-control");
    }
    set(socket, SOL_SOCKET, SO_SNDBUF, method.socket_buffer, "SO_SNDBUF");
    set(socket, SOL_SOCKET, SO_RCVBUF, method.socket_buffer, "SO_RCVBUF");
    set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, method.notsent_lowat, "TCP_NOTSENT_LOWAT");
    return socket;
}

sockaddr* generic(sockaddr_in& address) {
    return reinterpret_cast<sockaddr*>(&address);  // How the sockets API wants it.
}

sockaddr_in listen_on_loopback(int listener) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener, generic(address), size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, generic(address), &size) != 0) {
        fail("listening on the loopback");
    }
    return address;
}

Load load_of(const Method& method, const Options& options) {
    return {.memory = map_memory(method.huge_pages),
            .packet_bytes = method.packet_bytes,
            .packets = options.bytes / method.packet_bytes,
            .batch = method.batch};
}

void run_destination(int listener, int control, const Method& method, const Options& options) {
    const Load load = load_of(method, options);
    const int socket = ::accept(listener, nullptr, nullptr);
    if (socket < 0) fail("accept");
    const double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (::write(control, "", 1) != 1) fail("write");
    receive_packets(method.receive, socket, load);
    const Ending ending{.at_s = seconds(CLOCK_MONOTONIC),
                        .cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s};
    if (::write(control, &ending, sizeof ending) != sizeof ending) fail("write");
}

Figures run_source(sockaddr_in address, int control, const Method& method, const Options& options) {
    const Load load = load_of(method, options);
    const int socket = open_socket(method, options);
    if (::connect(socket, generic(address), sizeof address) != 0) fail("connect");
    char ready = 0;
    if (::read(control, &ready, 1) != 1) throw std::runtime_error("the destination is gone");
    const double began_s = seconds(CLOCK_MONOTONIC);
    const double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    Figures figures;
    figures.remarks = send_packets(method.send, socket, load);
    const double own_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    Ending ending;
    if (::recv(control, &ending, sizeof ending, MSG_WAITALL) != sizeof ending) {
        throw std::runtime_error("the destination failed");
    }
    ::close(socket);
    ::munmap(load.memory.data(), load.memory.size());
    const double gigabytes = static_cast<double>(load.packets * load.packet_bytes) / 1e9;
    figures.gb_per_s = gigabytes / (ending.at_s - began_s);
    figures.cpu_s_per_gb = (own_s + ending.cpu_s) / gigabytes;
    return figures;
}

Figures run(const Method& method, const Options& options) {
    const int listener = open_socket(method, options);
    const auto address = listen_on_loopback(listener);
    std::array<int, 2> control{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control.data()) != 0) {
        fail("socketpair");
    }
    const auto child = ::fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(control[0]);
        run_destination(listener, control[1], method, options);
        std::_Exit(EXIT_SUCCESS);
    }
    ::close(control[1]);
    ::close(listener);
    const auto figures = run_source(address, control[0], method, options);
    ::close(control[0]);
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0) {
        throw std::runtime_error("the destination failed");
    }
    return figures;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::string spread(const std::vector<double>& values) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.2f [%.2f %.2f]", median(values),
                  std::ranges::min(values), std::ranges::max(values));
    return text.data();
}

void compare(const Trial& trial, const Options& options) {
    std::vector<double> before_gb, after_gb, before_cpu, after_cpu, gb_ratio, cpu_ratio;
    Remarks remarks;
    for (std::size_t round = 0; round < options.rounds; ++round) {
        const auto before = run(trial.before, options);
        const auto after = run(trial.after, options);
        before_gb.push_back(before.gb_per_s);
        after_gb.push_back(after.gb_per_s);
        before_cpu.push_back(before.cpu_s_per_gb);
        after_cpu.push_back(after.cpu_s_per_gb);
        gb_ratio.push_back(after.gb_per_s / before.gb_per_s);
        cpu_ratio.push_back(after.cpu_s_per_gb / before.cpu_s_per_gb);
        remarks = after.remarks;
    }
    std::printf("| %s | %.2f, %.3f | %.2f, %.3f | %s | %s |\n", trial.name, median(before_gb),
                median(before_cpu), median(after_gb), median(after_cpu), spread(gb_ratio).c_str(),
                spread(cpu_ratio).c_str());
    if (remarks.zerocopy_calls != 0) {
        std::printf("| (of %llu calls the kernel copied all the same in %llu) | | | | |\n",
                    static_cast<unsigned long long>(remarks.zerocopy_calls),
                    static_cast<unsigned long long>(remarks.zerocopy_copied));
    }
    std::fflush(stdout);
}

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    if (whole && value > 0 && value <= kMiB) return value;
    throw std::invalid_argument(std::string(text) + " is no number from 1 to 1048576");
}

Options parse(std::span<char*> words) {
    Options options;
    if (words.size() % 2 != 0) throw std::invalid_argument("each option has one value");
    for (std::size_t i = 0; i < words.size(); i += 2) {
        const std::string_view name = words[i], value = words[i + 1];
        if (name == "--size") {
            options.bytes = number(value) * kMiB;
        } else if (name == "--rounds") {
            options.rounds = number(value);
        } else if (name == "--congestion-control") {
            options.congestion_control = value;
        } else if (name == "--only") {
            options.only = value;
        } else {
            throw std::invalid_argument("no such option: " + std::string(name));
        }
    }
    if (options.bytes % (4 * kMiB) != 0) throw std::invalid_argument("--size is a multiple of 4");
    return options;
}

void run_all(const Options& options) {
    std::puts("| trial | before: GB/s, CPU s/GB | after | x GB/s | x CPU |\n|---|---|---|---|---|");
    run({}, options);  // Not counted.
    for (const auto& trial : kTrials) {
        if (std::string_view(trial.name).find(options.only) == std::string_view::npos) continue;
        compare(trial, options);
    }
}

}  // namespace
}  // namespace socket_trials

int main(int count, char** words) {
    try {
        using namespace socket_trials;
        run_all(parse(std::span(words, static_cast<std::size_t>(count)).subspan(1)));
        return EXIT_SUCCESS;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "socket_trials: %s\n", problem.what());
        return EXIT_FAILURE;
    }
}
