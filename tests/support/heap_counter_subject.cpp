// A program whose calls are known, for the test of heap_counter: `heap_counter_subject CASE`.
#include <dlfcn.h>
#include <oneapi/tbb/cache_aligned_allocator.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

// Through volatile pointers, so that the compiler can neither drop nor replace the calls.
void* (*volatile call_malloc)(std::size_t) = std::malloc;
void* (*volatile call_calloc)(std::size_t, std::size_t) = std::calloc;
void* (*volatile call_realloc)(void*, std::size_t) = std::realloc;
void* (*volatile call_aligned)(std::size_t, std::size_t) = std::aligned_alloc;
int (*volatile call_posix)(void**, std::size_t, std::size_t) = ::posix_memalign;
void* (*volatile call_memcpy)(void*, const void*, std::size_t) = std::memcpy;
void* (*volatile call_memmove)(void*, const void*, std::size_t) = std::memmove;

void allocate() {
    for (int i = 0; i < 1000; ++i) std::free(call_malloc(10));
    for (int i = 0; i < 200; ++i) std::free(call_calloc(2, 10));
    for (int i = 0; i < 30; ++i) std::free(call_realloc(nullptr, 10));
    for (int i = 0; i < 4; ++i) std::free(call_aligned(64, 128));
    void* memory = nullptr;
    if (call_posix(&memory, 4096, 4096) == 0) std::free(memory);
}

void allocate_by_tbb() {
    tbb::cache_aligned_allocator<char> allocator;
    for (int i = 0; i < 1000; ++i) allocator.deallocate(allocator.allocate(100), 100);
}

void copy() {
    std::vector<std::byte> from(8192);
    std::vector<std::byte> to(8192);
    for (int i = 0; i < 5; ++i) call_memcpy(to.data(), from.data(), 4096);
    for (int i = 0; i < 100; ++i) call_memcpy(to.data(), from.data(), 4095);
    call_memmove(to.data() + 1, to.data(), 8000);
}

void transfer() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::_Exit(3);
    std::array<std::byte, 100> bytes{};
    std::array<iovec, 2> parts{{{bytes.data(), 60}, {bytes.data(), 40}}};
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ::sendmsg(ends[0], &message, 0);
    ::send(ends[0], bytes.data(), 30, 0);
    ::write(ends[0], bytes.data(), 7);
    ::recv(ends[1], bytes.data(), 100, MSG_PEEK);
    ::recv(ends[1], bytes.data(), 100, 0);
    ::read(ends[1], bytes.data(), 30);
    if (::recvmsg(ends[1], &message, 0) != 7) std::_Exit(4);
}

void fork_and_exit() {
    allocate();
    const pid_t child = ::fork();
    if (child == 0) {
        for (int i = 0; i < 5; ++i) std::free(call_malloc(10));
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
}

void snapshot() {
    std::raise(SIGUSR2);
    std::raise(SIGUSR2);
    std::raise(SIGKILL);  // nothing is written after this: the file is the second snapshot
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view wanted = count == 2 ? arguments[1] : "";
    if (wanted == "nothing") return 0;
    if (wanted == "allocate") return allocate(), 0;
    if (wanted == "allocate_by_tbb") return allocate_by_tbb(), 0;
    if (wanted == "copy") return copy(), 0;
    if (wanted == "transfer") return transfer(), 0;
    if (wanted == "fork") return fork_and_exit(), 0;
    if (wanted == "snapshot") return snapshot(), 0;
    if (wanted == "exit_at_once") ::_exit(0);
    return 2;
}
