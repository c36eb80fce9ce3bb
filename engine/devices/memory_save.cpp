#include "engine/devices/memory_save.hpp"

#include <algorithm>
#include <cstring>

namespace multifd {
namespace {

// 1 MiB: small against any link's product of rate and time, large against a record's head.
constexpr std::uint64_t kRecordPagesMax = 256;
// What the device calls its initial data: as VFIO devices do, a small first part of the state.
constexpr std::uint64_t kInitialPages = 256;

}  // namespace

std::size_t PlainSave::read(std::span<std::byte> target) noexcept {
    const std::size_t length = std::min<std::uint64_t>(target.size(), remaining());
    if (held_.empty()) {
        content_.fill(target.first(length), {position_, 0});
    } else if (length != 0) {
        std::memcpy(target.data(), held_.data() + position_, length);
    }
    position_ += length;
    return length;
}

RecordSave::RecordSave(const StateContent& content, const DirtyRing& ring) noexcept
    : content_(content),
      ring_(ring),
      cursor_(ring.oldest()),
      initial_end_(ring.oldest() + std::min(ring.pages(), kInitialPages)) {
    const ContentIdentity& identity = content.identity();
    head_ = encode({MemoryRecordKind::opening, sequence_++, identity.seed, ring.state_bytes(),
                    identity.compressible_pct});
    head_left_ = head_.size();
}

std::uint64_t RecordSave::cursor() const noexcept {
    return std::max(cursor_, ring_.oldest());
}

bool RecordSave::begin_record(bool stopped) noexcept {
    cursor_ = cursor();
    // No record has initial data and other, so that sizes() can tell them apart to the byte.
    const std::uint64_t end = cursor_ < initial_end_ ? initial_end_ : ring_.writes();
    run_ = ring_.run(cursor_, end, kRecordPagesMax);
    MemoryRecord record{MemoryRecordKind::pages, sequence_, run_.offset, run_.bytes,
                        run_.generation};
    if (run_.bytes == 0) {
        if (!stopped || closed_) return false;
        closed_ = true;
        record = {MemoryRecordKind::closing, sequence_, 0, 0, ring_.writes()};
    }
    cursor_ += (run_.bytes + kContentPageBytes - 1) / kContentPageBytes;
    ++sequence_;
    head_ = encode(record);
    head_left_ = head_.size();
    return true;
}

std::size_t RecordSave::read(std::span<std::byte> target, bool stopped) noexcept {
    std::size_t done = 0;
    while (done < target.size()) {
        const std::span<std::byte> rest = target.subspan(done);
        if (head_left_ != 0) {
            const std::size_t length = std::min(head_left_, rest.size());
            std::memcpy(rest.data(), head_.data() + head_.size() - head_left_, length);
            head_left_ -= length;
            done += length;
        } else if (run_.bytes != 0) {
            const std::size_t length = std::min<std::uint64_t>(run_.bytes, rest.size());
            content_.fill(rest.first(length), {run_.offset, run_.generation});
            run_.offset += length;
            run_.bytes -= length;
            done += length;
        } else if (!begin_record(stopped)) {
            break;
        }
    }
    return done;
}

std::uint64_t RecordSave::bytes_of(std::uint64_t first, std::uint64_t last) const noexcept {
    // At most two runs: the ring's length bounds the writes, and one wrap splits them.
    std::uint64_t bytes = 0;
    while (first < last) {
        const PageRun run = ring_.run(first, last, ring_.pages());
        const std::uint64_t pages = (run.bytes + kContentPageBytes - 1) / kContentPageBytes;
        bytes += run.bytes + (pages + kRecordPagesMax - 1) / kRecordPagesMax * kMemoryRecordBytes;
        first += pages;
    }
    return bytes;
}

PreCopySizes RecordSave::sizes() const noexcept {
    const std::uint64_t first = cursor();
    const std::uint64_t initial = std::max(initial_end_, first);
    return {bytes_of(first, initial), head_left_ + run_.bytes + bytes_of(initial, ring_.writes())};
}

std::uint64_t RecordSave::remaining() const noexcept {
    const PreCopySizes now = sizes();
    return now.initial_bytes + now.dirty_bytes + (closed_ ? 0 : kMemoryRecordBytes);
}

}  // namespace multifd
