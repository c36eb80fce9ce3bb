#include <array>

#include "engine/devices/vfio_user/vfio_user_device.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::array<std::string_view, 3> kKeys{"socket", "write-chunk", "config"};

}  // namespace

std::span<const std::string_view> device_keys() noexcept {
    return kKeys;
}

DeviceOptions read_device_options(const OptionReader& reader) {
    DeviceOptions options;
    const auto socket = reader.text("socket");
    if (!socket) reader.refuse("key \"socket\" is required: the UNIX socket of the server");
    if (socket->empty()) reader.refuse("socket", "the path of a UNIX socket");
    options.socket = *socket;
    options.write_chunk = static_cast<std::size_t>(
        reader.size("write-chunk", {1, kTransferBytesDefault}).value_or(options.write_chunk));
    options.config = reader.flag("config").value_or(true);
    if (reader.text("state")) {
        reader.refuse("key \"state\" is not for this kind: the server says what state it is in");
    }
    return options;
}

}  // namespace multifd::vfio_user
