// Records inside QEMU's ram sections: read to be skipped, in recordings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "channels/wire/error.hpp"
#include "channels/wire/stream_events.hpp"

namespace multifd {

inline constexpr std::uint32_t kRamSectionVersion = 4;

struct ParsedRam {
    std::optional<RamRecord> record;
    std::size_t consumed = 0;
    std::size_t needed = 0;  ///< Without a record: bytes that must be visible in all.
};

/// Reads the record at the front of `visible`. `unlisted` is the state between the records of one
/// section: how many bytes of RAM the list of blocks has still to name.
/// Errors:    ram_section_malformed.
Result<ParsedRam> parse_ram_record(std::span<const std::byte> visible, std::uint64_t& unlisted);

}  // namespace multifd
