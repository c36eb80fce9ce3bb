// DeviceDirectory: from the identity on the wire to the device of this session.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "channels/wire/ids.hpp"

namespace multifd {

/// Threads:   constant after construction. Looking up does not allocate.
class DeviceDirectory {
  public:
    /// `identities` are distinct; their position is their DeviceId.
    explicit DeviceDirectory(const std::vector<DeviceIdentity>& identities) {
        for (std::uint32_t i = 0; i < identities.size(); ++i) {
            entries_.push_back({identities[i], DeviceId{i}});
        }
        std::ranges::sort(entries_, {}, &Entry::identity);
    }

    [[nodiscard]] std::optional<DeviceId> find(std::string_view idstr,
                                               std::uint32_t instance_id) const noexcept {
        const auto before = [&](const Entry& entry, std::string_view) {
            const int order = entry.identity.idstr.compare(idstr);
            return order < 0 || (order == 0 && entry.identity.instance_id < instance_id);
        };
        const auto found = std::lower_bound(entries_.begin(), entries_.end(), idstr, before);
        if (found == entries_.end() || found->identity.idstr != idstr ||
            found->identity.instance_id != instance_id) {
            return std::nullopt;
        }
        return found->id;
    }

  private:
    struct Entry {
        DeviceIdentity identity;
        DeviceId id;
    };
    std::vector<Entry> entries_;
};

}  // namespace multifd
