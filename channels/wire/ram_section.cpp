#include "channels/wire/ram_section.hpp"

#include "channels/wire/big_endian.hpp"
#include "channels/wire/ram_packet.hpp"

namespace multifd {
namespace {

// A record is u64: a page's offset, or a size, in the upper bits and these flags in the lower 12.
constexpr std::uint64_t kFlagsMask = 0xfff;
constexpr std::uint64_t kZeroPage = 0x02;
constexpr std::uint64_t kMemorySize = 0x04;
constexpr std::uint64_t kPage = 0x08;
constexpr std::uint64_t kEnd = 0x10;
constexpr std::uint64_t kSameBlock = 0x20;
constexpr std::uint64_t kDeltaPage = 0x40;
constexpr std::uint64_t kMultifdFlush = 0x200;

ParsedRam parsed(const RamRecord& record, std::size_t consumed) {
    return {.record = record, .consumed = consumed, .needed = 0};
}

ParsedRam missing(const BigEndianReader& reader) {
    return {.record = std::nullopt, .consumed = 0, .needed = reader.needed()};
}

Result<ParsedRam> parse_block(BigEndianReader reader, std::uint64_t& unlisted) {
    const auto name = reader.take(reader.integer<std::uint8_t>());
    const auto bytes = reader.integer<std::uint64_t>();
    if (!reader.ok()) return missing(reader);
    if (bytes > unlisted) return make_error_code(Errc::ram_section_malformed);
    unlisted -= bytes;
    return parsed({RamRecordKind::block, 0, text_of(name), bytes}, reader.position());
}

Result<ParsedRam> parse_page(BigEndianReader reader, std::uint64_t flags, std::uint64_t offset) {
    RamRecord record{RamRecordKind::page, offset, {}, 0};
    if ((flags & kSameBlock) == 0) {
        record.block = text_of(reader.take(reader.integer<std::uint8_t>()));
    }
    switch (flags & ~kSameBlock) {
        case kZeroPage:
            record.kind = RamRecordKind::zero_page;
            record.bytes = 1;
            break;
        case kPage:
            record.bytes = kRamPageBytes;
            break;
        case kDeltaPage:
            reader.take(1);
            record.bytes = reader.integer<std::uint16_t>();
            break;
        default:
            return make_error_code(Errc::ram_section_malformed);
    }
    reader.take(static_cast<std::size_t>(record.bytes));
    if (!reader.ok()) return missing(reader);
    return parsed(record, reader.position());
}

}  // namespace

Result<ParsedRam> parse_ram_record(std::span<const std::byte> visible, std::uint64_t& unlisted) {
    BigEndianReader reader(visible);
    if (unlisted != 0) return parse_block(reader, unlisted);
    const auto value = reader.integer<std::uint64_t>();
    if (!reader.ok()) return missing(reader);
    const std::uint64_t flags = value & kFlagsMask;
    const std::uint64_t offset = value & ~kFlagsMask;
    switch (flags) {
        case kMemorySize:
            unlisted = offset;
            return parsed({RamRecordKind::memory_size, offset, {}, 0}, reader.position());
        case kEnd:
            return parsed({RamRecordKind::end, 0, {}, 0}, reader.position());
        case kMultifdFlush:
            return parsed({RamRecordKind::multifd_flush, 0, {}, 0}, reader.position());
        default:
            return parse_page(reader, flags, offset);
    }
}

}  // namespace multifd
