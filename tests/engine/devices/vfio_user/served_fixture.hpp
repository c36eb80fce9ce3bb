// A memory device as a served one, for tests of what serves it.
#pragma once

#include <memory>
#include <string>

#include "engine/devices/device_options.hpp"
#include "engine/devices/vfio_user/served_device.hpp"

namespace multifd::vfio_user::test {

inline std::shared_ptr<Device> memory_device(const std::string& options, Role role = Role::source) {
    return make_device(parse_device_spec("memory,idstr=a" + (options.empty() ? "" : "," + options)),
                       role)
        .device;
}

struct Served {
    explicit Served(const std::string& options, Role role = Role::source,
                    std::size_t chunk_bytes = 65536, ServedDevice::Backing backing = {})
        : device(memory_device(options, role)),
          served(*device, {"memory", "a", 0}, chunk_bytes, backing) {}

    std::shared_ptr<Device> device;
    ServedDevice served;
};

/// Reads in pieces of `piece` bytes to the end.
inline Bytes read_all(ServedDevice& device, std::size_t piece) {
    Bytes all;
    while (true) {
        const std::size_t before = all.size();
        all.resize(before + piece);
        const CallResult got = device.read(std::span(all).subspan(before));
        all.resize(before + static_cast<std::size_t>(got.ok() ? got.value : 0));
        if (!got.ok() || got.value == 0) return all;
    }
}

inline CallResult write_all(ServedDevice& device, ConstBytes state, std::size_t piece) {
    CallResult written;
    while (written.ok() && !state.empty()) {
        const ConstBytes part = state.first(std::min(piece, state.size()));
        written = device.write(part);
        state = state.subspan(part.size());
    }
    return written;
}

}  // namespace multifd::vfio_user::test
