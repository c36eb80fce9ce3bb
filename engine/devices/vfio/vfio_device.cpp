#include "engine/devices/vfio/vfio_device.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "engine/devices/dma_bitmap.hpp"
#include "engine/devices/vfio/pci_config_state.hpp"
#include "engine/devices/vfio/vfio_uapi.hpp"

namespace multifd {
namespace {

std::string message(int error) {
    return std::generic_category().message(error);
}

/// How drivers say that they have no such call.
bool is_absent(int error) noexcept {
    return error == ENOTTY || error == EINVAL;
}

}  // namespace

VfioDevice::VfioDevice(std::shared_ptr<VfioCalls> calls, VfioAttachment attachment,
                       VfioSettings settings)
    : calls_(std::move(calls)),
      attachment_(std::move(attachment)),
      features_(*calls_, attachment_.device.get()) {
    const auto refuse = [this](const std::string& why) {
        throw std::runtime_error(attachment_.name + ": " + why);
    };
    const auto info = features_.info();
    if (!info.ok()) refuse("is no open VFIO device: " + message(info.error));
    info_ = info.value;
    const auto migration = features_.migration();
    if (!migration.ok() || !migration.value.stop_copy) {
        refuse("its driver offers no migration" +
               (migration.ok() || migration.error == ENOTTY ? std::string()
                                                            : ": " + message(migration.error)) +
               "; it needs a driver for this device, as mlx5_vfio_pci is one, or newer firmware");
    }
    options_ = {.p2p = migration.value.p2p,
                .pre_copy = migration.value.pre_copy && settings.pre_copy};
    traits_ = {.kind = "vfio",
               .p2p = options_.p2p,
               .pre_copy = options_.pre_copy,
               .peer_dma = true,
               .dma_logging = features_.logs_dma()};
    const VfioConfig config = settings.config;
    if (config == VfioConfig::off || (config == VfioConfig::automatic && !info_.pci)) return;
    if (!info_.pci) refuse("config=on is for PCI devices, which this is not");
    const auto region = features_.region(VFIO_PCI_CONFIG_REGION_INDEX);
    if (!region.ok() || region.value.size == 0) {
        refuse("its PCI configuration space cannot be read; config=off goes without");
    }
    config_ = region.value;
}

VfioDevice::Session VfioDevice::session_of(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::pre_copy:
        case DeviceState::pre_copy_p2p:
        case DeviceState::stop_copy:
            return Session::saving;
        case DeviceState::resuming:
            return Session::loading;
        case DeviceState::error:
        case DeviceState::stop:
        case DeviceState::running:
        case DeviceState::running_p2p:
            return Session::none;
    }
    return Session::none;
}

CallResult VfioDevice::failure(std::string_view what, int error) const {
    return CallResult::failure(std::error_code(error, std::generic_category()),
                               attachment_.name + ": " + std::string(what) + ": " + message(error));
}

CallResult VfioDevice::wrong_session(std::string_view call) const {
    return CallResult::failure(std::errc::invalid_argument, attachment_.name + ": " +
                                                                std::string(call) +
                                                                " without a data descriptor, in " +
                                                                std::string(to_string(seen_)));
}

DeviceState VfioDevice::state() {
    const auto answer = features_.state();
    if (!answer.ok()) {
        throw std::runtime_error(attachment_.name +
                                 " does not tell its state: " + message(answer.error));
    }
    seen_ = answer.value;
    return seen_;
}

CallResult VfioDevice::set_state(DeviceState target) {
    interrupt_.lower();
    const auto asked = features_.state();
    if (!asked.ok()) return failure("does not tell its state", asked.error);
    seen_ = asked.value;
    while (seen_ != target) {
        const DeviceState from = seen_;
        const auto next = next_state(options_, from, target);
        if (!next) {
            return CallResult::failure(std::errc::invalid_argument,
                                       attachment_.name + ": no way from state " +
                                           std::string(to_string(from)) + " to " +
                                           std::string(to_string(target)));
        }
        CallResult stepped = step(from, *next);
        if (!stepped.ok()) return stepped;
    }
    return CallResult::success();
}

CallResult VfioDevice::step(DeviceState from, DeviceState next) {
    const auto moved = features_.set_state(next);
    if (!moved.ok()) return failed_step(from, next, moved.error);
    VfioDescriptor given(calls_, moved.value);
    if (session_of(next) != session_) close_data();
    const auto asked = features_.state();
    if (!asked.ok()) return failure("does not tell its state", asked.error);
    seen_ = asked.value;
    if (seen_ != next) {
        if (session_of(seen_) != session_) close_data();
        return CallResult::failure(std::errc::state_not_recoverable,
                                   attachment_.name + ": its driver said that it went to " +
                                       std::string(to_string(next)) + ", but it is in " +
                                       std::string(to_string(seen_)));
    }
    const bool begins = session_of(next) != Session::none && session_ == Session::none;
    if (begins != given.is_open()) {
        return CallResult::failure(
            std::errc::protocol_error,
            attachment_.name + ": its driver gave " + (begins ? "no" : "another") +
                " data descriptor on the way from " + std::string(to_string(from)) + " to " +
                std::string(to_string(next)));
    }
    if (!begins) return CallResult::success();
    data_ = std::move(given);
    session_ = session_of(next);
    return CallResult::success();
}

CallResult VfioDevice::failed_step(DeviceState from, DeviceState next, int error) {
    std::string what = "going from " + std::string(to_string(from)) + " to " +
                       std::string(to_string(next)) + " failed";
    const auto asked = features_.state();
    if (!asked.ok()) {
        what += ", and it does not tell where it is";
        return failure(what, error);
    }
    seen_ = asked.value;
    if (session_of(seen_) != session_) close_data();
    if (seen_ != from) what += ", it is in " + std::string(to_string(seen_)) + " now";
    return failure(what, error);
}

void VfioDevice::close_data() noexcept {
    data_.close();
    session_ = Session::none;
}

CallResult VfioDevice::read(std::span<std::byte> target) {
    if (session_ != Session::saving) return wrong_session("read");
    if (target.empty()) return CallResult::success();
    for (;;) {
        // In PRE_COPY a file without data is not readable; that it has none is an answer there.
        const int waited = seen_ == DeviceState::stop_copy
                               ? calls_->await_readable(data_.get(), interrupt_.fd())
                               : 0;
        if (interrupt_.raised()) return failure("reading its state", ECANCELED);
        if (waited < 0 && errno_of(waited) == EINTR) continue;
        if (waited < 0) return failure("waiting for its state", errno_of(waited));
        const auto got = calls_->read(data_.get(), target);
        if (got >= 0) return CallResult::success(static_cast<std::uint64_t>(got));
        if (errno_of(got) == EINTR) continue;
        const bool pre_copies = seen_ != DeviceState::stop_copy;
        if (errno_of(got) == ENOMSG && pre_copies) return CallResult::success();
        return failure("reading its state", errno_of(got));
    }
}

CallResult VfioDevice::write(std::span<const std::byte> source) {
    if (session_ != Session::loading) return wrong_session("write");
    const std::size_t size = source.size();
    while (!source.empty()) {
        if (interrupt_.raised()) return failure("writing its state", ECANCELED);
        const auto put = calls_->write(data_.get(), source);
        if (put > 0) {
            source = source.subspan(static_cast<std::size_t>(put));
        } else if (put == 0) {
            return failure("writing its state: its driver took nothing", EIO);
        } else if (errno_of(put) != EINTR) {
            return failure("writing its state", errno_of(put));
        }
    }
    return CallResult::success(size);
}

CallResult VfioDevice::read_config_space(std::vector<std::byte>& target) {
    // No PCI function has more than the 4 KiB of PCI Express.
    target.resize(static_cast<std::size_t>(std::min<std::uint64_t>(config_->size, 4096)));
    std::size_t done = 0;
    while (done < target.size()) {
        const auto got = calls_->read_at(attachment_.device.get(), std::span(target).subspan(done),
                                         config_->offset + done);
        if (got <= 0) {
            return failure("reading its PCI configuration space", got == 0 ? EIO : errno_of(got));
        }
        done += static_cast<std::size_t>(got);
    }
    return CallResult::success();
}

CallResult VfioDevice::save_config(std::vector<std::byte>& target) {
    target.clear();
    if (!config_) return CallResult::success();
    std::vector<std::byte> space;
    CallResult read = read_config_space(space);
    if (!read.ok()) return read;
    target = encode_config_state(space);
    return CallResult::success(target.size());
}

CallResult VfioDevice::load_config(std::span<const std::byte> source) {
    if (!config_) {
        if (source.empty()) return CallResult::success();
        return CallResult::failure(
            std::errc::invalid_argument,
            attachment_.name + ": the source sent a config state of " +
                std::to_string(source.size()) +
                " bytes, and this device has none (config=off, or no PCI device)");
    }
    std::vector<std::byte> space;
    CallResult read = read_config_space(space);
    if (!read.ok()) return read;
    const ConfigRestore plan = plan_config_restore(source, space);
    if (plan.mismatch) {
        return CallResult::failure(std::errc::invalid_argument,
                                   attachment_.name + ": " + *plan.mismatch);
    }
    for (const ConfigWrite& wish : plan.writes) {
        const auto put =
            calls_->write_at(attachment_.device.get(), wish.bytes, config_->offset + wish.offset);
        if (put != static_cast<std::ptrdiff_t>(wish.bytes.size())) {
            return failure("writing its PCI configuration space", put < 0 ? errno_of(put) : EIO);
        }
    }
    return CallResult::success();
}

CallResult VfioDevice::pre_copy_sizes(PreCopySizes& target) {
    if (session_ != Session::saving) return wrong_session("pre_copy_sizes");
    const auto answer = features_.pre_copy_sizes(data_.get());
    if (!answer.ok()) return failure("asking for its pre-copy sizes", answer.error);
    target = answer.value;
    return CallResult::success();
}

CallResult VfioDevice::stop_copy_size() {
    const auto answer = features_.data_size();
    if (answer.ok()) return CallResult::success(answer.value);
    if (is_absent(answer.error)) return CallResult::success();
    return failure("asking for its state's size", answer.error);
}

CallResult VfioDevice::reset() {
    interrupt_.lower();
    close_data();
    const int error = features_.reset();
    const auto asked = features_.state();
    if (asked.ok()) seen_ = asked.value;
    if (error != 0 && is_absent(error)) {
        return CallResult::failure(std::errc::not_supported,
                                   attachment_.name + ": it has no reset and stays in " +
                                       std::string(to_string(seen_)) +
                                       "; only its driver can bring it back: unbind and bind it");
    }
    if (error != 0) return failure("resetting it", error);
    if (!asked.ok()) return failure("does not tell its state after a reset", asked.error);
    if (seen_ == DeviceState::running || seen_ == DeviceState::stop) return CallResult::success();
    return CallResult::failure(
        std::errc::state_not_recoverable,
        attachment_.name + ": a reset left it in " + std::string(to_string(seen_)));
}

CallResult VfioDevice::start_dma_logging(std::uint64_t page_size,
                                         std::span<const DmaRange> ranges) {
    const auto answer = features_.start_dma_logging(page_size, ranges);
    if (!answer.ok()) return failure("starting to log its DMA", answer.error);
    return CallResult::success(answer.value);
}

CallResult VfioDevice::report_dma_logging(DmaRange range, std::uint64_t page_size,
                                          std::span<std::uint64_t> bitmap) {
    if (page_size == 0 || range.size == 0) {
        return CallResult::failure(
            std::errc::invalid_argument,
            attachment_.name + ": a DMA log is of at least one page of at least one byte");
    }
    const std::uint64_t pages = dma_pages(range, page_size);
    if (dma_bitmap_words(pages) > bitmap.size()) {
        return CallResult::failure(
            std::errc::invalid_argument,
            attachment_.name + ": the bitmap has no room for " + std::to_string(pages) + " pages");
    }
    const int error = features_.report_dma_logging(range, page_size, bitmap);
    return error == 0 ? CallResult::success() : failure("reading its DMA log", error);
}

CallResult VfioDevice::stop_dma_logging() {
    const int error = features_.stop_dma_logging();
    return error == 0 ? CallResult::success() : failure("stopping to log its DMA", error);
}

void VfioDevice::interrupt() noexcept {
    interrupt_.raise();
}

std::vector<std::pair<std::string, std::string>> VfioDevice::facts() {
    const auto yes_no = [](bool answer) { return std::string(answer ? "yes" : "no"); };
    std::vector<std::pair<std::string, std::string>> facts{
        {"name", attachment_.name},
        {"interface", std::string(to_string(attachment_.interface))},
        {"bus", info_.pci ? "pci" : "other"},
        {"reset", info_.reset ? "yes" : "not advertised"},
        {"size-known", yes_no(features_.data_size().ok())},
        {"config-bytes", std::to_string(config_ ? config_->size : 0)}};
    return facts;
}

}  // namespace multifd
