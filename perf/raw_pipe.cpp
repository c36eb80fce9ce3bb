// The floor to compare with: the same bytes from the same kind of memory to the same kind of
// memory over N TCP connections of the loopback, by plain blocking calls. No framing, no order, no
// checks.
//
// direct: memory to socket, socket to memory (2 copies). buffered: through one buffer of a piece
// on both sides (4 copies). Both ends are processes of their own with one thread per connection,
// and each connection carries one part of the memory from its first byte to its last. Prints one
// JSON object: time and processor time of the transfer alone.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <latch>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "perf/raw_pipe_options.hpp"

namespace raw_pipe {
namespace {

/// What one end says of the transfer.
struct EndFigures {
    std::int64_t ended_ns = 0;
    std::int64_t user_us = 0;
    std::int64_t system_us = 0;
    std::uint64_t hash = 0;         // Of the pieces, with --hash.
    std::uint64_t memory_hash = 0;  // Of what stands in memory, with --verify.
};

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::int64_t now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);  // One clock for all processes of a machine.
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t microseconds(const timeval& time) {
    return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

/// Processor time of this process since this was made.
class ProcessorTime {
  public:
    ProcessorTime() { ::getrusage(RUSAGE_SELF, &began_); }
    void until_now(EndFigures& target) const {
        rusage now{};
        ::getrusage(RUSAGE_SELF, &now);
        target.user_us = microseconds(now.ru_utime) - microseconds(began_.ru_utime);
        target.system_us = microseconds(now.ru_stime) - microseconds(began_.ru_stime);
    }

  private:
    rusage began_{};
};

std::span<std::byte> map_memory(const Options& options) {
    void* const memory =
        ::mmap(nullptr, options.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    if (options.huge_pages) ::madvise(memory, options.bytes, MADV_HUGEPAGE);
    return {static_cast<std::byte*>(memory), options.bytes};
}

/// The part of `memory` that connection `index` carries: whole hashed pieces.
std::span<std::byte> part_of(std::span<std::byte> memory, const Options& options,
                             std::size_t index) {
    const std::size_t pieces = memory.size() / kHashedBytes;
    const std::size_t first = pieces * index / options.connections;
    const std::size_t last = pieces * (index + 1) / options.connections;
    return memory.subspan(first * kHashedBytes, (last - first) * kHashedBytes);
}

/// Runs `work(index)` once per connection, each on a thread of its own.
void on_threads(const Options& options, const std::function<void(std::size_t)>& work) {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.connections; ++i) threads.emplace_back(work, i);
}

// xorshift64*: no compressor and no checksum finds anything in it.
void fill(std::span<std::byte> target, std::uint64_t seed) {
    std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
    for (std::size_t at = 0; at < target.size(); at += sizeof state) {
        state ^= state >> 12U;
        state ^= state << 25U;
        state ^= state >> 27U;
        const std::uint64_t word = state * 0x2545f4914f6cdd1dU;
        std::memcpy(target.data() + at, &word, sizeof word);
    }
}

/// Hashes a part in order, one XXH3 per kHashedBytes.
class PartHash {
  public:
    explicit PartHash(bool wanted) : state_(wanted ? ::XXH3_createState() : nullptr) {
        if (state_) ::XXH3_64bits_reset(state_.get());
    }

    /// Any length; a hash is finished wherever kHashedBytes are complete.
    void add(std::span<const std::byte> bytes) {
        if (!state_) return;
        while (!bytes.empty()) {
            const auto now = bytes.first(std::min(bytes.size(), kHashedBytes - hashed_));
            ::XXH3_64bits_update(state_.get(), now.data(), now.size());
            hashed_ += now.size();
            bytes = bytes.subspan(now.size());
            if (hashed_ == kHashedBytes) finish_piece();
        }
    }

    [[nodiscard]] std::uint64_t value() const { return value_; }

  private:
    struct FreeState {
        void operator()(XXH3_state_t* state) const { ::XXH3_freeState(state); }
    };

    void finish_piece() {
        value_ = value_ * 0x100000001b3U + ::XXH3_64bits_digest(state_.get());
        ::XXH3_64bits_reset(state_.get());
        hashed_ = 0;
    }

    std::unique_ptr<XXH3_state_t, FreeState> state_;
    std::size_t hashed_ = 0;
    std::uint64_t value_ = 0;
};

void send_all(int socket, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail("send");
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

std::size_t receive_some(int socket, std::span<std::byte> target, int flags) {
    for (;;) {
        const auto received = ::recv(socket, target.data(), target.size(), flags);
        if (received > 0) return static_cast<std::size_t>(received);
        if (received == 0) throw std::runtime_error("the other end is gone");
        if (errno != EINTR) fail("recv");
    }
}

/// Sends a part; returns its hash.
std::uint64_t send_part(int socket, std::span<const std::byte> part, const Options& options) {
    const auto buffer = std::make_unique<std::byte[]>(options.piece_bytes);
    PartHash hash(options.hash);
    while (!part.empty()) {
        auto piece = part.first(std::min(part.size(), options.piece_bytes));
        part = part.subspan(piece.size());
        if (options.buffered) {
            std::memcpy(buffer.get(), piece.data(), piece.size());
            piece = {buffer.get(), piece.size()};
        }
        hash.add(piece);
        send_all(socket, piece);
    }
    return hash.value();
}

/// Receives a part; returns its hash.
std::uint64_t receive_part(int socket, std::span<std::byte> part, const Options& options) {
    const auto buffer = std::make_unique<std::byte[]>(options.piece_bytes);
    PartHash hash(options.hash);
    while (!part.empty()) {
        const std::size_t most = std::min(part.size(), options.piece_bytes);
        const auto target = options.buffered ? std::span(buffer.get(), most) : part.first(most);
        const auto piece = target.first(receive_some(socket, target, MSG_WAITALL));
        hash.add(piece);
        if (options.buffered) std::memcpy(part.data(), piece.data(), piece.size());
        part = part.subspan(piece.size());
    }
    return hash.value();
}

/// One end's threads, standing ready before the clock starts.
class Crew {
  public:
    using Work = std::function<std::uint64_t(std::size_t)>;

    Crew(std::size_t count, const Work& work) : go_(1), hashes_(count) {
        for (std::size_t i = 0; i < count; ++i) {
            threads_.emplace_back([this, work, i] {
                go_.wait();
                hashes_[i] = work(i);
            });
        }
    }

    void go() { go_.count_down(); }

    /// Waits for the end; returns the hash of all parts.
    std::uint64_t finish() {
        threads_.clear();
        std::uint64_t all = 0;
        for (const auto hash : hashes_) all = all * 31 + hash;
        return all;
    }

  private:
    std::latch go_;
    std::vector<std::uint64_t> hashes_;
    std::vector<std::jthread> threads_;
};

void set_congestion_control(int socket, const Options& options) {
    const auto& name = options.congestion_control;
    if (name.empty()) return;
    const auto size = static_cast<socklen_t>(name.size());
    if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), size) != 0) {
        fail("--congestion-control");
    }
}

std::string congestion_control_of(int socket) {
    std::array<char, 16> name{};
    socklen_t size = name.size();
    if (::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return "";
    return name.data();
}

int open_socket(const Options& options) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) fail("socket");
    set_congestion_control(socket, options);
    return socket;
}

sockaddr* generic(sockaddr_in& address) {
    return reinterpret_cast<sockaddr*>(&address);  // How the sockets API wants it.
}

sockaddr_in listen_on_loopback(int listener, const Options& options) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener, generic(address), size) != 0 ||
        ::listen(listener, static_cast<int>(options.connections)) != 0 ||
        ::getsockname(listener, generic(address), &size) != 0) {
        fail("listening on the loopback");
    }
    return address;
}

std::uint64_t hash_of_memory(std::span<std::byte> memory, const Options& options) {
    if (!options.verify) return 0;
    std::vector<std::uint64_t> hashes(options.connections);
    on_threads(options, [&](std::size_t i) {
        const auto part = part_of(memory, options, i);
        hashes[i] = ::XXH3_64bits(part.data(), part.size());
    });
    return ::XXH3_64bits(hashes.data(), hashes.size() * sizeof hashes[0]);
}

void run_destination(int listener, int control, const Options& options) {
    const auto memory = map_memory(options);
    on_threads(options, [&](std::size_t i) {
        const auto part = part_of(memory, options, i);
        std::memset(part.data(), 1, part.size());
    });
    std::vector<int> sockets(options.connections);
    for (auto& socket : sockets) {
        socket = ::accept(listener, nullptr, nullptr);
        if (socket < 0) fail("accept");
    }
    EndFigures figures;
    Crew crew(sockets.size(), [&](std::size_t i) {
        return receive_part(sockets[i], part_of(memory, options, i), options);
    });
    const ProcessorTime processor_time;
    crew.go();
    std::byte ready{};
    send_all(control, std::span(&ready, 1));
    figures.hash = crew.finish();
    figures.ended_ns = now_ns();
    processor_time.until_now(figures);
    figures.memory_hash = hash_of_memory(memory, options);
    send_all(control, std::as_bytes(std::span(&figures, 1)));
}

void print_result(const Options& options, const std::string& congestion_control, double seconds,
                  const EndFigures& source, const EndFigures& destination) {
    const auto bytes = static_cast<double>(options.bytes);
    const auto total_us = static_cast<double>(source.user_us + source.system_us +
                                              destination.user_us + destination.system_us);
    std::printf(
        "{\"variant\": \"%s\", \"hash\": %s, \"huge_pages\": %s, \"connections\": %zu, "
        "\"piece_bytes\": %zu, \"bytes\": %zu, \"congestion_control\": \"%s\", "
        "\"seconds\": %.6f, \"gb_per_s\": %.4f, \"cpu_s_per_gb\": %.4f, "
        "\"source_user_s\": %.6f, \"source_system_s\": %.6f, "
        "\"destination_user_s\": %.6f, \"destination_system_s\": %.6f}\n",
        options.buffered ? "buffered" : "direct", options.hash ? "true" : "false",
        options.huge_pages ? "true" : "false", options.connections, options.piece_bytes,
        options.bytes, congestion_control.c_str(), seconds, bytes / 1e9 / seconds,
        total_us / 1e6 / (bytes / 1e9), static_cast<double>(source.user_us) / 1e6,
        static_cast<double>(source.system_us) / 1e6, static_cast<double>(destination.user_us) / 1e6,
        static_cast<double>(destination.system_us) / 1e6);
}

void run_source(sockaddr_in address, int control, const Options& options) {
    const auto memory = map_memory(options);
    on_threads(options, [&](std::size_t i) { fill(part_of(memory, options, i), i + 1); });
    // One after the other, so that the destination accepts them in the same order.
    std::vector<int> sockets(options.connections);
    for (auto& socket : sockets) {
        socket = open_socket(options);
        if (::connect(socket, generic(address), sizeof address) != 0) fail("connect");
    }
    Crew crew(sockets.size(), [&](std::size_t i) {
        return send_part(sockets[i], part_of(memory, options, i), options);
    });
    std::byte ready{};
    receive_some(control, std::span(&ready, 1), MSG_WAITALL);
    EndFigures source;
    const ProcessorTime processor_time;
    const auto began_ns = now_ns();
    crew.go();
    source.hash = crew.finish();
    processor_time.until_now(source);
    source.memory_hash = hash_of_memory(memory, options);
    EndFigures destination;
    receive_some(control, std::as_writable_bytes(std::span(&destination, 1)), MSG_WAITALL);
    if (source.hash != destination.hash || source.memory_hash != destination.memory_hash) {
        throw std::runtime_error("other bytes arrived than were sent");
    }
    const auto seconds = static_cast<double>(destination.ended_ns - began_ns) / 1e9;
    print_result(options, congestion_control_of(sockets[0]), seconds, source, destination);
}

}  // namespace

/// The ends are processes of their own: the child receives, this one sends.
static int run(const Options& options) {
    const int listener = open_socket(options);
    const auto address = listen_on_loopback(listener, options);
    std::array<int, 2> control{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control.data()) != 0) {
        fail("socketpair");
    }
    const auto child = ::fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::close(control[0]);
        run_destination(listener, control[1], options);
        return EXIT_SUCCESS;
    }
    ::close(control[1]);
    ::close(listener);
    run_source(address, control[0], options);
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0) {
        throw std::runtime_error("the destination failed");
    }
    return EXIT_SUCCESS;
}

}  // namespace raw_pipe

int main(int count, char** words) {
    try {
        return raw_pipe::run(
            raw_pipe::parse(std::span(words, static_cast<std::size_t>(count)).subspan(1)));
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "raw_pipe: %s\n", problem.what());
        return EXIT_FAILURE;
    }
}
