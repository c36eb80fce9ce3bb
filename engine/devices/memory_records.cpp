#include "engine/devices/memory_records.hpp"

#include <cstring>

namespace multifd {
namespace {

constexpr std::uint32_t kMagic = 0x5244464d;

struct Layout {
    std::uint32_t magic;
    std::uint32_t kind;
    std::uint64_t sequence;
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint64_t generation;
    std::uint64_t check;
};
static_assert(sizeof(Layout) == kMemoryRecordBytes);

/// FNV-1a over all bytes before the check.
std::uint64_t check_of(std::span<const std::byte> bytes) noexcept {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const std::byte byte : bytes) {
        value ^= std::to_integer<std::uint64_t>(byte);
        value *= 0x100000001b3;
    }
    return value;
}

}  // namespace

MemoryRecordBytes encode(const MemoryRecord& record) noexcept {
    Layout layout{kMagic,
                  static_cast<std::uint32_t>(record.kind),
                  record.sequence,
                  record.offset,
                  record.bytes,
                  record.generation,
                  0};
    layout.check = check_of(std::as_bytes(std::span(&layout, 1)).first<offsetof(Layout, check)>());
    MemoryRecordBytes target;
    std::memcpy(target.data(), &layout, target.size());
    return target;
}

std::optional<MemoryRecord> decode_memory_record(
    std::span<const std::byte, kMemoryRecordBytes> source) noexcept {
    Layout layout;
    std::memcpy(&layout, source.data(), source.size());
    if (layout.magic != kMagic || layout.kind < 1 || layout.kind > 3 ||
        layout.check != check_of(source.first<offsetof(Layout, check)>())) {
        return std::nullopt;
    }
    return MemoryRecord{static_cast<MemoryRecordKind>(layout.kind), layout.sequence, layout.offset,
                        layout.bytes, layout.generation};
}

bool starts_memory_record(std::span<const std::byte, 8> source) noexcept {
    std::array<std::uint32_t, 2> words{};
    std::memcpy(words.data(), source.data(), source.size());
    return words[0] == kMagic && words[1] == static_cast<std::uint32_t>(MemoryRecordKind::opening);
}

}  // namespace multifd
