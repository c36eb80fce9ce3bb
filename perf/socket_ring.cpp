#include "perf/socket_ring.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

namespace socket_trials {
namespace {

[[noreturn]] void fail(int code, const char* what) {
    throw std::system_error(code, std::generic_category(), what);
}

// The kernel's rings are arrays of plain numbers in shared memory.
unsigned& number_at(std::span<std::byte> ring, std::size_t offset) {
    return *reinterpret_cast<unsigned*>(ring.data() + offset);
}

}  // namespace

SocketRing::SocketRing(unsigned entries) {
    fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, entries, &parameters_));
    if (fd_ < 0) fail(errno, "io_uring_setup");
    if ((parameters_.features & IORING_FEAT_SINGLE_MMAP) == 0) fail(ENOSYS, "io_uring: old kernel");
    const std::size_t submissions =
        parameters_.sq_off.array + parameters_.sq_entries * sizeof(unsigned);
    const std::size_t completions =
        parameters_.cq_off.cqes + parameters_.cq_entries * sizeof(io_uring_cqe);
    const auto ring_bytes = std::max(submissions, completions);
    rings_ = {map(ring_bytes, IORING_OFF_SQ_RING), ring_bytes};
    const auto entry_bytes = parameters_.sq_entries * sizeof(io_uring_sqe);
    entries_ = {map(entry_bytes, IORING_OFF_SQES), entry_bytes};
}

SocketRing::~SocketRing() {
    ::munmap(entries_.data(), entries_.size());
    ::munmap(rings_.data(), rings_.size());
    ::close(fd_);
}

std::byte* SocketRing::map(std::size_t bytes, std::size_t offset) const {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                                fd_, static_cast<off_t>(offset));
    if (memory == MAP_FAILED) fail(errno, "mmap of io_uring");
    return static_cast<std::byte*>(memory);
}

void SocketRing::prepare(Move move, int socket, msghdr* message, bool linked) {
    auto& tail = number_at(rings_, parameters_.sq_off.tail);
    const auto index = tail & number_at(rings_, parameters_.sq_off.ring_mask);
    auto& entry = reinterpret_cast<io_uring_sqe*>(entries_.data())[index];
    entry = {};
    entry.opcode = move == Move::send ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
    entry.fd = socket;
    entry.addr = reinterpret_cast<std::uintptr_t>(message);
    entry.len = 1;
    entry.msg_flags = MSG_WAITALL | MSG_NOSIGNAL;
    entry.flags = linked ? IOSQE_IO_LINK : 0;
    number_at(rings_, parameters_.sq_off.array + index * sizeof(unsigned)) = index;
    std::atomic_ref(tail).store(tail + 1, std::memory_order_release);
    ++prepared_;
}

std::size_t SocketRing::run() {
    const auto entered = ::syscall(SYS_io_uring_enter, fd_, prepared_, prepared_,
                                   IORING_ENTER_GETEVENTS, nullptr, 0);
    if (entered != static_cast<long>(prepared_)) fail(errno, "io_uring_enter");
    auto& head = number_at(rings_, parameters_.cq_off.head);
    auto& tail = number_at(rings_, parameters_.cq_off.tail);
    const auto mask = number_at(rings_, parameters_.cq_off.ring_mask);
    const auto* completions =
        reinterpret_cast<const io_uring_cqe*>(rings_.data() + parameters_.cq_off.cqes);
    std::size_t moved = 0;
    for (; prepared_ > 0; --prepared_) {
        if (std::atomic_ref(tail).load(std::memory_order_acquire) == head) {
            fail(EINTR, "io_uring_enter");
        }
        const auto result = completions[head & mask].res;
        std::atomic_ref(head).store(head + 1, std::memory_order_release);
        if (result < 0) fail(-result, "io_uring");
        moved += static_cast<std::size_t>(result);
    }
    return moved;
}

}  // namespace socket_trials
