// The options that multifd check alone takes.
#pragma once

#include <array>

#include "engine/cli/check/choices.hpp"
#include "engine/cli/command_options.hpp"

namespace multifd::checking {

inline constexpr unsigned kCheck = static_cast<unsigned>(Subcommand::check);

// In the order of --help.
inline constexpr auto kOptions = std::to_array<CommandOption>({
    {"destination-device", 0, "KIND,key=value,...", kCheck,
     "the device that loads what --device gives (--device itself)",
     [](CommandSettings& s, std::string_view text) {
         s.check.destination_device = read_not_empty(text);
     },
     nullptr},
    {"item", 0, "NAME", kCheck, "check this alone, and every other item that is named; repeatable",
     [](CommandSettings& s, std::string_view text) { s.check.items.push_back(read_item(text)); },
     nullptr, [](CommandSettings& s) { s.check.items.clear(); }},
    {"repeat", 0, "N", kCheck, "run all items so often, up to the first failure, 1 to 1000 (1)",
     [](CommandSettings& s, std::string_view text) { s.check.repeat = read_repeat(text); },
     nullptr},
    {"on", 0, "EVENT=COMMAND", kCheck,
     "run a shell command at an event; one that fails, or takes longer than --stall-timeout, fails "
     "the item; repeatable",
     [](CommandSettings& s, std::string_view text) {
         s.check.on.push_back(read_event_command(text));
     },
     nullptr, [](CommandSettings& s) { s.check.on.clear(); }},
    {"dma-range", 0, "ADDRESS:SIZE", kCheck,
     "I/O addresses to try DMA logging with; repeatable (0:64MiB)",
     [](CommandSettings& s, std::string_view text) {
         s.check.dma_ranges.push_back(read_dma_range(text));
     },
     nullptr, [](CommandSettings& s) { s.check.dma_ranges.clear(); }},
    {"max-state", 0, "SIZE", kCheck,
     "a state that goes on beyond it never ends, and fails (a quarter of this host's memory)",
     [](CommandSettings& s, std::string_view text) { s.check.max_state = read_max_state(text); },
     nullptr},
    {"keep", 0, "DIR", kCheck, "where a failure's calls and state go (a new folder)",
     [](CommandSettings& s, std::string_view text) { s.check.keep = read_not_empty(text); },
     nullptr},
    {"junit", 0, "FILE", kCheck, "write the results as JUnit XML to FILE",
     [](CommandSettings& s, std::string_view text) { s.check.junit = read_not_empty(text); },
     nullptr},
});

}  // namespace multifd::checking
