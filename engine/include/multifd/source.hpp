// Source: sends the state of its devices to a destination.
#pragma once

#include <memory>
#include <vector>

#include "multifd/host.hpp"
#include "multifd/log.hpp"
#include "multifd/report.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// What became of a cancel.
enum class CancelAnswer {
    accepted,   ///< run() will return soon, status cancelled.
    too_late,   ///< The decision to commit has been made; the migration goes on.
    in_doubt,   ///< The owner is unknown; a held run() is released, the devices stay stopped.
    requested,  ///< Destination, after Loaded: the source has been asked and will decide.
    not_running,
};

/// One migration from this end.
/// Ownership: shares the devices; `host` outlives this object.
/// Threads:   run() once, on any thread; everything else from any thread at any time. The
///            destructor cancels, and waits no longer than the stall timeout.
/// Errors:    the constructor throws std::invalid_argument for settings out of range; run() never
///            throws: what went wrong stands in the report.
class Source {
  public:
    Source(SourceSettings settings, std::vector<DeviceEntry> devices, Host* host = nullptr,
           LogSink log = {});
    ~Source();
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// Runs the migration to its end, however it ends.
    [[nodiscard]] Report run();
    CancelAnswer cancel() noexcept;
    [[nodiscard]] Statistics statistics() const;

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace multifd
