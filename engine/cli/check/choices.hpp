// What a user chooses for multifd check.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "multifd/device.hpp"

namespace multifd::checking {

/// A command to run at an event.
struct EventCommand {
    std::string event;  ///< The name of a CheckEvent.
    std::string command;
};

struct Choices {
    std::string destination_device;  ///< Empty: the device gets its own state back.
    std::vector<std::string> items;  ///< Empty: all.
    std::uint32_t repeat = 1;
    std::vector<EventCommand> on;
    std::vector<DmaRange> dma_ranges;  ///< Empty: the library's own.
    std::uint64_t max_state = 0;       ///< Bytes; 0: the library's own.
    std::string junit;                 ///< A path, or empty for none.
    std::string keep;                  ///< A folder, or empty for a new one.
};

// Each throws UsageError whose text goes on after the option and its value.

/// "EVENT=COMMAND".
EventCommand read_event_command(std::string_view text);
/// "ADDRESS:SIZE"; the address in bytes, decimal, or 0x and hexadecimal; at most 1 TiB.
DmaRange read_dma_range(std::string_view text);
/// Bytes, at least 1.
std::uint64_t read_max_state(std::string_view text);
/// The name of an item.
std::string read_item(std::string_view text);

}  // namespace multifd::checking
