// The floor to compare with: the same bytes from the same kind of memory to the same kind of
// memory over N TCP connections of the loopback, by plain blocking calls. No framing, no order, no
// checks.
//
// direct: memory to socket, socket to memory (2 copies). buffered: through one buffer of a piece
// on both sides (4 copies). Both ends are processes of their own with one thread per connection.
// Whichever connection is free takes the next block of memory, and whichever has received one puts
// it into the next free place, so that no connection is the last one for long. Prints one JSON
// object: time and processor time of the transfer alone.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>
#if __has_include(<xxh_x86dispatch.h>) && defined(__x86_64__)
#include <xxh_x86dispatch.h>  // As the engine hashes.
#endif

#include <array>
#include <atomic>
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
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "perf/raw_pipe_memory.hpp"
#include "perf/raw_pipe_options.hpp"

namespace raw_pipe {
namespace {

/// What one end says of the transfer.
struct EndFigures {
    std::int64_t ended_ns = 0;
    std::int64_t user_us = 0;
    std::int64_t system_us = 0;
    std::uint64_t bytes = 0;
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

/// XXH3 of each block, added up: in which order blocks come does not matter.
class BlockHash {
  public:
    explicit BlockHash(bool wanted) : state_(wanted ? ::XXH3_createState() : nullptr) {}
    void begin() {
        if (state_) ::XXH3_64bits_reset(state_.get());
    }
    void add(std::span<const std::byte> bytes) {
        if (state_) ::XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
    }
    void end() {
        if (state_) sum_ += ::XXH3_64bits_digest(state_.get());
    }
    [[nodiscard]] std::uint64_t sum() const { return sum_; }

  private:
    struct FreeState {
        void operator()(XXH3_state_t* state) const { ::XXH3_freeState(state); }
    };
    std::unique_ptr<XXH3_state_t, FreeState> state_;
    std::uint64_t sum_ = 0;
};

void send_all(int socket, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail("send");
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

/// Fills `target`, or returns false at the end of the stream, which may not come within it.
bool receive_all(int socket, std::span<std::byte> target) {
    for (bool begun = false; !target.empty();) {
        const auto received = ::recv(socket, target.data(), target.size(), MSG_WAITALL);
        if (received < 0 && errno == EINTR) continue;
        if (received < 0) fail("recv");
        if (received == 0 && !begun) return false;
        if (received == 0) throw std::runtime_error("the other end is gone");
        begun = true;
        target = target.subspan(static_cast<std::size_t>(received));
    }
    return true;
}

/// What both ends' threads work on.
struct Blocks {
    std::span<std::byte> memory;
    std::atomic<std::size_t> next = 0;  // To be sent, or the next free place.
    std::atomic<std::uint64_t> done = 0;
};

/// Where a block stands: with --reuse each thread has one place for all.
std::span<std::byte> place_of(const Blocks& blocks, std::size_t index, std::size_t thread,
                              const Options& options) {
    return block_of(blocks.memory, options.reuse ? thread : index);
}

/// Sends blocks until none is left; returns their hash.
std::uint64_t send_blocks(int socket, std::size_t thread, Blocks& blocks, const Options& options) {
    const auto buffer = std::make_unique<std::byte[]>(options.piece_bytes);
    BlockHash hash(options.hash);
    const std::size_t count = options.bytes / kHashedBytes;
    for (std::size_t index = blocks.next++; index < count; index = blocks.next++) {
        const std::span<const std::byte> block = place_of(blocks, index, thread, options);
        hash.begin();
        for (std::size_t at = 0; at < block.size(); at += options.piece_bytes) {
            auto piece = block.subspan(options.reuse ? 0 : at, options.piece_bytes);
            if (options.buffered) {
                std::memcpy(buffer.get(), piece.data(), piece.size());
                piece = {buffer.get(), piece.size()};
            }
            hash.add(piece);
            send_all(socket, piece);
        }
        hash.end();
    }
    ::shutdown(socket, SHUT_WR);
    return hash.sum();
}

/// Receives blocks until the stream ends; returns their hash.
std::uint64_t receive_blocks(int socket, std::size_t thread, Blocks& blocks,
                             const Options& options) {
    const auto buffer = std::make_unique<std::byte[]>(options.piece_bytes);
    BlockHash hash(options.hash);
    for (;;) {
        // At the end each connection holds one place that stays empty.
        const auto block = place_of(blocks, blocks.next++, thread, options);
        hash.begin();
        for (std::size_t at = 0; at < block.size(); at += options.piece_bytes) {
            const auto place = block.subspan(options.reuse ? 0 : at, options.piece_bytes);
            const auto target = options.buffered ? std::span(buffer.get(), place.size()) : place;
            if (!receive_all(socket, target)) {
                if (at == 0) return hash.sum();
                throw std::runtime_error("the other end is gone");
            }
            hash.add(target);
            if (options.buffered) std::memcpy(place.data(), target.data(), target.size());
        }
        hash.end();
        ++blocks.done;
    }
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
        return std::accumulate(hashes_.begin(), hashes_.end(), std::uint64_t{0});
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

void run_destination(int listener, int control, const Options& options) {
    Blocks blocks{.memory =
                      map_memory(options.bytes / kHashedBytes + options.connections, options)};
    on_blocks(blocks.memory, options, [&](std::size_t index) {
        const auto block = block_of(blocks.memory, index);
        std::memset(block.data(), 0, block.size());
    });
    std::vector<int> sockets(options.connections);
    for (auto& socket : sockets) {
        socket = ::accept(listener, nullptr, nullptr);
        if (socket < 0) fail("accept");
    }
    EndFigures figures;
    Crew crew(sockets.size(),
              [&](std::size_t i) { return receive_blocks(sockets[i], i, blocks, options); });
    const ProcessorTime processor_time;
    crew.go();
    std::byte ready{};
    send_all(control, std::span(&ready, 1));
    figures.hash = crew.finish();
    figures.ended_ns = now_ns();
    processor_time.until_now(figures);
    figures.bytes = blocks.done * kHashedBytes;
    figures.memory_hash = hash_of_memory(blocks.memory, options);
    send_all(control, std::as_bytes(std::span(&figures, 1)));
}

void print_result(const Options& options, const std::string& congestion_control, double seconds,
                  const EndFigures& source, const EndFigures& destination) {
    const auto bytes = static_cast<double>(options.bytes);
    const auto total_us = static_cast<double>(source.user_us + source.system_us +
                                              destination.user_us + destination.system_us);
    std::printf(
        "{\"variant\": \"%s\", \"reuse\": %s, \"hash\": %s, \"huge_pages\": %s, \"connections\": "
        "%zu, "
        "\"piece_bytes\": %zu, \"bytes\": %zu, \"congestion_control\": \"%s\", "
        "\"seconds\": %.6f, \"gb_per_s\": %.4f, \"cpu_s_per_gb\": %.4f, "
        "\"source_user_s\": %.6f, \"source_system_s\": %.6f, "
        "\"destination_user_s\": %.6f, \"destination_system_s\": %.6f}\n",
        options.buffered ? "buffered" : "direct", options.reuse ? "true" : "false",
        options.hash ? "true" : "false", options.huge_pages ? "true" : "false", options.connections,
        options.piece_bytes, options.bytes, congestion_control.c_str(), seconds,
        bytes / 1e9 / seconds, total_us / 1e6 / (bytes / 1e9),
        static_cast<double>(source.user_us) / 1e6, static_cast<double>(source.system_us) / 1e6,
        static_cast<double>(destination.user_us) / 1e6,
        static_cast<double>(destination.system_us) / 1e6);
}

void run_source(sockaddr_in address, int control, const Options& options) {
    Blocks blocks{.memory = map_memory(options.bytes / kHashedBytes, options)};
    on_blocks(blocks.memory, options,
              [&](std::size_t index) { fill(block_of(blocks.memory, index), index + 1); });
    std::vector<int> sockets(options.connections);
    for (auto& socket : sockets) {
        socket = open_socket(options);
        if (::connect(socket, generic(address), sizeof address) != 0) fail("connect");
    }
    Crew crew(sockets.size(),
              [&](std::size_t i) { return send_blocks(sockets[i], i, blocks, options); });
    std::byte ready{};
    if (!receive_all(control, std::span(&ready, 1))) throw std::runtime_error("no destination");
    EndFigures source;
    const ProcessorTime processor_time;
    const auto began_ns = now_ns();
    crew.go();
    source.hash = crew.finish();
    processor_time.until_now(source);
    source.memory_hash = hash_of_memory(blocks.memory, options);
    EndFigures destination;
    const bool ended = receive_all(control, std::as_writable_bytes(std::span(&destination, 1)));
    if (!ended || destination.bytes != options.bytes || source.hash != destination.hash ||
        source.memory_hash != destination.memory_hash) {
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
