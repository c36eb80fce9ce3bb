// Bench: the devices of a check, and what its items do with them again and again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/conformance/checked_device.hpp"
#include "multifd/conformance.hpp"

namespace multifd {

/// A device's state, as it was read.
struct SavedState {
    std::vector<std::byte> state;
    std::vector<std::byte> config;
    std::vector<std::size_t> reads;  ///< What each read() gave, of a device that gives chunks.
};

/// How many bytes each call asks for or gives, over and over. Not empty, none is 0. A device that
/// gives chunks is asked by the largest calls whatever they say, and given them as they came.
using CallSizes = std::span<const std::size_t>;

inline constexpr std::array<std::size_t, 1> kLargeCalls{std::size_t{1} << 20U};
// No two alike, none a multiple of another's, and none of anything that a device may count in.
inline constexpr std::array<std::size_t, 7> kOddReads{1, 3, 511, 4097, 65521, 262147, 1048573};
inline constexpr std::array<std::size_t, 7> kOddWrites{2, 5, 1021, 8191, 131071, 524287, 1048575};

/// Both devices of one repetition. Whatever does not go as it must throws Nonconformity.
/// Ownership: what the constructor is given outlives the bench.
/// Threads:   one.
class Bench {
  public:
    Bench(CheckedDevices devices, const CheckSettings& settings, CheckSurroundings surroundings);

    [[nodiscard]] const CheckSettings& settings() const noexcept { return settings_; }
    [[nodiscard]] CheckedDevice& source() noexcept { return source_; }
    [[nodiscard]] CheckedDevice& destination() noexcept {
        return destination_ ? *destination_ : source_;
    }
    /// Whether source and destination are one device.
    [[nodiscard]] bool one_device() const noexcept { return !destination_; }
    /// The most that one save may give.
    [[nodiscard]] std::uint64_t state_bytes_max() const noexcept { return state_bytes_max_; }
    /// The one or the two, each once.
    [[nodiscard]] std::vector<CheckedDevice*> devices();

    // What an item says besides its result.
    void begin_item(std::string_view name);
    void note(const std::string& seen);  ///< Adds to what notes() gives.
    [[nodiscard]] const std::string& notes() const noexcept { return notes_; }
    /// Lets the host act.
    void tell(CheckEvent event);

    // States.
    /// Brings the device from anywhere to RUNNING.
    void run(CheckedDevice& device);
    /// Brings it over RUNNING to `state`; RESUMING with all of `saved` written. False when the
    /// device has not that state in its role: a source that cannot load, a destination that cannot
    /// save.
    bool enter(CheckedDevice& device, DeviceState state, const SavedState& saved);
    /// set_state() to a state that its role may lack: false then.
    bool accepts(CheckedDevice& device, DeviceState target);
    /// Takes a device to which nothing has been written out of RESUMING.
    void give_up_loading(CheckedDevice& device, const SavedState& saved);
    /// Throws NotApplicable when the device cannot be reset.
    void reset(CheckedDevice& device);

    // Saving.
    /// Brings the source to STOP_COPY, reads all of it, and brings it to STOP.
    const SavedState& save_source(CallSizes sizes = kLargeCalls);
    /// The rest of the source's stream in STOP_COPY, added to saved(), and its config state.
    const SavedState& save_rest(CallSizes sizes = kLargeCalls);
    /// Reads and adds to saved() until there is nothing for now, or at least `bytes_max` were read.
    void read_source(CallSizes sizes, std::size_t bytes_max);
    void forget_saved() noexcept { saved_ = {}; }
    [[nodiscard]] const SavedState& saved() const noexcept { return saved_; }

    // Loading.
    /// In RESUMING: all of it. A state without a config state is given an empty one.
    static void write_all(CheckedDevice& device, const SavedState& saved, CallSizes sizes);
    /// The first `bytes` of the state in the pieces in which a device is to be given them; of a
    /// state in chunks as many as are whole.
    [[nodiscard]] static std::vector<std::span<const std::byte>> pieces_of(const SavedState& saved,
                                                                           std::size_t bytes,
                                                                           CallSizes sizes);
    /// Brings the destination to RESUMING, writes all of it, and brings it to STOP.
    void load(const SavedState& saved, CallSizes sizes = kLargeCalls);
    /// Reads back what the destination has loaded, which is in STOP, and compares.
    void verify_loaded(const SavedState& expected);
    /// load(), verify_loaded(), and the destination runs; the host is told.
    void load_and_run(const SavedState& saved, CallSizes sizes = kLargeCalls);
    [[nodiscard]] const SavedState& read_back() const noexcept { return read_back_; }

    /// Whether two saves of the stopped source gave the same bytes; only then others are compared.
    [[nodiscard]] bool repeats() const noexcept { return repeats_.value_or(false); }
    /// Whether two states are the same; fails with where they differ. `found_in` is whose the
    /// second is.
    static void compare(std::span<const std::byte> expected, std::span<const std::byte> found,
                        const std::string& found_in);

  private:
    /// In STOP_COPY: adds all that is left, up to state_bytes_max_, and the config state.
    void save_into(SavedState& target, CheckedDevice& device, CallSizes sizes) const;
    void find_out_whether_it_repeats();
    bool read_loaded();

    // Constant after construction.
    const CheckSettings& settings_;
    const std::uint64_t state_bytes_max_;
    CheckSurroundings surroundings_;
    std::function<std::shared_ptr<Device>()> reader_;

    CheckedDevice source_;
    std::optional<CheckedDevice> destination_;
    std::string_view item_;
    std::string notes_;
    SavedState saved_;
    SavedState read_back_;
    std::optional<bool> repeats_;
};

}  // namespace multifd
