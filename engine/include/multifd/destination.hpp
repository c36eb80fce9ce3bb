// Destination: receives one migration through a Listener and applies it to its devices.
#pragma once

#include <memory>
#include <vector>

#include "multifd/host.hpp"
#include "multifd/listener.hpp"
#include "multifd/log.hpp"
#include "multifd/report.hpp"
#include "multifd/settings.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// One migration to this end.
/// Ownership: shares the devices; `listener` and `host` outlive this object.
/// Threads:   as Source. Several Destinations may run on one Listener; a main channel goes to the
///            one that has waited longest.
/// Errors:    as Source.
class Destination {
  public:
    Destination(DestinationSettings settings, std::vector<DeviceEntry> devices,
                Host* host = nullptr, LogSink log = {});
    ~Destination();
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;

    /// Waits for a source, without a deadline, then loads and runs or fails.
    [[nodiscard]] Report run(Listener& listener);
    CancelAnswer cancel() noexcept;
    [[nodiscard]] Statistics statistics() const;

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace multifd
