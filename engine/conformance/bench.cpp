#include "engine/conformance/bench.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

void append(std::vector<std::byte>& target, std::span<const std::byte> bytes) {
    target.insert(target.end(), bytes.begin(), bytes.end());
}

/// Until the device has nothing more to give, or `target` has grown by `bytes_max`.
void read_into(SavedState& target, CheckedDevice& device, CallSizes sizes, std::size_t bytes_max) {
    const bool chunked = device.traits().chunked;
    const std::size_t before = target.state.size();
    for (std::size_t call = 0; target.state.size() - before < bytes_max; ++call) {
        const auto bytes = device.read(chunked ? kLargeCalls.front() : sizes[call % sizes.size()]);
        if (bytes.empty()) return;
        append(target.state, bytes);
        if (chunked) target.reads.push_back(bytes.size());
    }
}

/// `chosen`, or what is safe when a check holds a state three times.
std::uint64_t most_of(std::uint64_t chosen) {
    // Beyond any memory, and a few times it still fits.
    constexpr std::uint64_t kMost = std::uint64_t{1} << 60U;
    if (chosen != 0) return std::min(chosen, kMost);
    const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return pages * page_bytes / 4;
}

}  // namespace

Bench::Bench(CheckedDevices devices, const CheckSettings& settings, CheckSurroundings surroundings)
    : settings_(settings),
      state_bytes_max_(most_of(settings.state_bytes_max)),
      surroundings_(surroundings),
      reader_(std::move(devices.reader)),
      source_(devices.source == devices.destination ? "device" : "source", Role::source,
              devices.source, surroundings) {
    if (devices.source != devices.destination) {
        destination_.emplace("destination", Role::destination, devices.destination,
                             std::move(surroundings));
    }
}

std::vector<CheckedDevice*> Bench::devices() {
    if (one_device()) return {&source_};
    return {&source_, &*destination_};
}

void Bench::begin_item(std::string_view name) {
    item_ = name;
    notes_.clear();
    surroundings_.journal.note("-- " + std::string(name));
}

void Bench::note(const std::string& seen) {
    notes_ += (notes_.empty() ? "" : "; ") + seen;
}

void Bench::tell(CheckEvent event) {
    if (!settings_.on_event) return;
    if (surroundings_.stop.stop_requested()) throw CheckStopped();
    const CallResult answered = settings_.on_event(event, item_);
    if (surroundings_.stop.stop_requested()) throw CheckStopped();
    if (answered.ok()) return;
    throw Nonconformity("at " + std::string(to_string(event)) + ": " + reason_of(answered));
}

void Bench::run(CheckedDevice& device) {
    const DeviceState state = device.state();
    if (state == DeviceState::error || state == DeviceState::resuming) {
        const CallResult made = device.try_reset();
        device.require(made, "reset() in " + std::string(to_string(state)));
    }
    device.set_state(DeviceState::running);
}

bool Bench::accepts(CheckedDevice& device, DeviceState target) {
    const bool may_lack = !one_device() && target == (&device == &source_ ? DeviceState::resuming
                                                                          : DeviceState::stop_copy);
    if (!may_lack) {
        device.set_state(target);
        return true;
    }
    const CallResult made = device.try_set_state(target);
    if (not_supported(made)) return false;
    device.require(made, "set_state(" + std::string(to_string(target)) + ")");
    device.set_state(target);  // It is there; asks whether it says so.
    return true;
}

bool Bench::enter(CheckedDevice& device, DeviceState state, const SavedState& saved) {
    run(device);
    if (!accepts(device, state)) return false;
    if (state == DeviceState::resuming) write_all(device, saved, kLargeCalls);
    return true;
}

void Bench::give_up_loading(CheckedDevice& device, const SavedState& saved) {
    const CallResult made = device.try_reset();
    if (not_supported(made)) {
        write_all(device, saved, kLargeCalls);
        device.set_state(DeviceState::stop);
    } else {
        device.require(made, "reset() in resuming");
    }
}

void Bench::reset(CheckedDevice& device) {
    const std::string state(to_string(device.state()));
    const CallResult made = device.try_reset();
    if (not_supported(made)) throw NotApplicable(device.name() + " cannot be reset");
    device.require(made, "reset() in " + state);
    const DeviceState after = device.state();
    if (after == DeviceState::running || after == DeviceState::stop) return;
    device.fail("reset() in " + state + " succeeded, but leaves it in " +
                std::string(to_string(after)) + " instead of running or stop");
}

void Bench::read_source(CallSizes sizes, std::size_t bytes_max) {
    read_into(saved_, source_, sizes, bytes_max);
}

void Bench::save_into(SavedState& target, CheckedDevice& device, CallSizes sizes) const {
    target.config.clear();
    const std::size_t before = target.state.size();
    read_into(target, device, sizes, state_bytes_max_ + 1);
    const std::size_t given = target.state.size() - before;
    if (given > state_bytes_max_) {
        device.fail("read() in stop-copy has given " + std::to_string(given) +
                    " bytes without an end, and " + format_size(state_bytes_max_) +
                    " is the most that is taken; --max-state sets another limit");
    }
    target.config = device.save_config();
}

const SavedState& Bench::save_rest(CallSizes sizes) {
    save_into(saved_, source_, sizes);
    return saved_;
}

void Bench::find_out_whether_it_repeats() {
    if (repeats_) return;
    source_.set_state(DeviceState::stop_copy);
    SavedState again;
    save_into(again, source_, kLargeCalls);
    source_.set_state(DeviceState::stop);
    repeats_ = again.state == saved_.state;
}

const SavedState& Bench::save_source(CallSizes sizes) {
    forget_saved();
    source_.set_state(DeviceState::stop_copy);
    save_rest(sizes);
    source_.set_state(DeviceState::stop);
    find_out_whether_it_repeats();
    return saved_;
}

void Bench::write_all(CheckedDevice& device, const SavedState& saved, CallSizes sizes) {
    for (const auto piece : pieces_of(saved, saved.state.size(), sizes)) device.write(piece);
    device.load_config(saved.config);
}

std::vector<std::span<const std::byte>> Bench::pieces_of(const SavedState& saved, std::size_t bytes,
                                                         CallSizes sizes) {
    const bool chunked = !saved.reads.empty();
    const CallSizes wanted = chunked ? CallSizes(saved.reads) : sizes;
    std::vector<std::span<const std::byte>> pieces;
    std::span<const std::byte> left = std::span(saved.state).first(bytes);
    for (std::size_t call = 0; !left.empty(); ++call) {
        const std::size_t size = wanted[call % wanted.size()];
        if (chunked && size > left.size()) break;
        pieces.push_back(left.first(std::min(left.size(), size)));
        left = left.subspan(pieces.back().size());
    }
    return pieces;
}

void Bench::load(const SavedState& saved, CallSizes sizes) {
    const CallResult made = destination().try_set_state(DeviceState::resuming);
    if (not_supported(made) && one_device()) {
        destination().fail("it cannot load a state (" + reason_of(made) +
                           "); a kind that only saves needs another device as destination");
    }
    destination().require(made, "set_state(resuming)");
    if (!saved.state.empty()) destination().expect(saved.state.size());
    write_all(destination(), saved, sizes);
    destination().set_state(DeviceState::stop);
}

/// False when nobody can say what the destination has loaded.
bool Bench::read_loaded() {
    read_back_ = {};
    if (accepts(destination(), DeviceState::stop_copy)) {
        save_into(read_back_, destination(), kLargeCalls);
        destination().set_state(DeviceState::stop);
        return true;
    }
    if (!reader_) return false;
    CheckedDevice reader("what the destination holds", Role::destination, reader_(), surroundings_);
    reader.set_state(DeviceState::stop_copy);
    save_into(read_back_, reader, kLargeCalls);
    reader.set_state(DeviceState::stop);
    return true;
}

void Bench::compare(std::span<const std::byte> expected, std::span<const std::byte> found,
                    const std::string& found_in) {
    const auto [left, right] = std::ranges::mismatch(expected, found);
    if (left == expected.end() && right == found.end()) return;
    const auto at = std::to_string(left - expected.begin());
    if (expected.size() != found.size()) {
        throw Nonconformity(found_in + " has " + std::to_string(found.size()) + " bytes and not " +
                            std::to_string(expected.size()) + "; the first difference is byte " +
                            at);
    }
    throw Nonconformity(found_in + " is another from byte " + at +
                        " on: " + std::to_string(std::to_integer<unsigned>(*right)) + " and not " +
                        std::to_string(std::to_integer<unsigned>(*left)));
}

void Bench::verify_loaded(const SavedState& expected) {
    if (!read_loaded()) {
        note("nothing was compared: the destination gives no state");
        return;
    }
    if (!repeats()) {
        note("nothing was compared: two saves of the stopped source differ");
        return;
    }
    compare(expected.state, read_back_.state, "the state that was loaded");
}

void Bench::load_and_run(const SavedState& saved, CallSizes sizes) {
    load(saved, sizes);
    tell(CheckEvent::destination_loaded);
    verify_loaded(saved);
    destination().set_state(DeviceState::running);
    tell(CheckEvent::destination_running);
}

}  // namespace multifd
