// Moments of a migration, as a relay sees them, and what to do when one has come.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/end_to_end/migration.hpp"

namespace multifd {

/// "packet 17", "main switchover-start", "back loaded", "control error", "connected channel 1":
/// just before the relay passes that on for the first time.
using Moment = std::string;

/// Every message of a migration that carries meaning, in order, then packets drawn at random from
/// the first `packets`: `count` moments in all, the same for the same seed.
std::vector<Moment> moments_of_a_migration(std::size_t count, std::uint64_t packets,
                                           std::uint64_t seed);

/// A migration through a relay in which something happens at one moment.
/// Ownership: as Migration.
/// Threads:   the action runs on a thread of the relay, which passes nothing on until it returns.
class MomentousMigration {
  public:
    using Action = std::function<void(MomentousMigration&)>;

    MomentousMigration(Plan plan, Moment moment, Action action);
    ~MomentousMigration();

    void start();
    [[nodiscard]] Migration& migration() noexcept;
    /// Whether that moment has come up to now.
    [[nodiscard]] bool seen(const Moment& moment) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace multifd
