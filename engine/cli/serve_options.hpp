// The options that serve-device alone takes: a part of the table of all options.
#pragma once

#include <array>

#include "engine/cli/command_options.hpp"

namespace multifd::serving {

inline constexpr unsigned kServe = static_cast<unsigned>(Subcommand::serve_device);

inline constexpr auto kOptions = std::to_array<CommandOption>({
    {"socket", 0, "PATH", kServe,
     "where clients of the --device at the same position connect: a UNIX socket; repeatable",
     [](CommandSettings& s, std::string_view text) {
         s.served.sockets.push_back(read_not_empty(text));
     },
     nullptr, [](CommandSettings& s) { s.served.sockets.clear(); }},
    {"interface", 0, "v2|v1", kServe,
     "how state is moved: by migration messages, or through the older migration region (v2)",
     [](CommandSettings& s, std::string_view text) { s.served.interface = read_interface(text); },
     nullptr},
    {"role", 0, "source|destination", kServe,
     "which end's keys and defaults the devices have (source)",
     [](CommandSettings& s, std::string_view text) { s.served.role = read_role(text); }, nullptr},
    {"shared-backing", 0, "FILE", kServe,
     "a file that the devices share, locked while any of them runs",
     [](CommandSettings& s, std::string_view text) { s.served.backing = read_not_empty(text); },
     nullptr},
    {"chunk-size", 0, "SIZE", kServe, "of the migration buffer, 4KiB to 16MiB (64KiB)",
     [](CommandSettings& s, std::string_view text) {
         s.served.chunk_size = read_packet_size(text);
     },
     nullptr},
});

}  // namespace multifd::serving
