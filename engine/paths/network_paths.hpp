// The ways to the destination: from the settings' addresses to where each connection goes.
#pragma once

#include <string>
#include <vector>

#include "channels/transport/connector.hpp"
#include "channels/wire/ids.hpp"
#include "engine/paths/path_comparison.hpp"
#include "multifd/report.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// `to` and each of `also_to`, with its source address, of checked settings. Never empty.
/// Errors:    address_invalid; `wrong` is then the address that is none.
Result<std::vector<NetworkPath>> network_paths(const SourceSettings& settings, std::string& wrong);

/// Throws std::invalid_argument for what cannot work whatever the network looks like: more
/// addresses than channels, source addresses that are none or cannot go with their destination.
void check_network_paths(const SourceSettings& settings);

/// Which of `paths` a channel takes: they are dealt out in turn.
constexpr std::size_t path_of(ChannelId channel, std::size_t paths) noexcept {
    return channel.value % paths;
}

/// Names the paths, and says what to look at.
SlowPathReport to_report(const SlowPath& slow, const std::vector<NetworkPath>& paths);

/// One line of it for people.
std::string describe(const SlowPathReport& slow);

/// "tcp:10.0.0.2:4444", and "... from 10.0.0.1" when the source address was chosen.
std::string describe(const NetworkPath& path);

}  // namespace multifd
