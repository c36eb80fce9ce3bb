// AlteredDevice: a device that does as another one, but for what a test does in its place.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "multifd/device.hpp"

namespace multifd::test {

/// Forwards every call for which there is no alteration.
class AlteredDevice final : public Device {
  public:
    struct Alterations {
        std::function<CallResult(Device& inner, DeviceState target)> set_state{};
        std::function<CallResult(Device& inner, std::span<std::byte> target)> read{};
        std::function<CallResult(Device& inner, std::uint64_t bytes)> expect{};
        std::function<CallResult(Device& inner, std::span<const std::byte> source)> write{};
        std::function<CallResult(Device& inner, std::vector<std::byte>& target)> save_config{};
        std::function<CallResult(Device& inner, PreCopySizes& target)> pre_copy_sizes{};
        std::function<CallResult(Device& inner)> stop_copy_size{};
        std::function<CallResult(Device& inner)> reset{};
        std::function<void(Device& inner)> interrupt{};
        std::function<std::span<std::byte>(Device& inner)> lend{};
        std::function<CallResult(Device& inner)> start_dma_logging{};
        std::function<CallResult(Device& inner, std::span<std::uint64_t> bitmap)>
            report_dma_logging{};
    };
    AlteredDevice(std::shared_ptr<Device> inner, Alterations alterations)
        : inner_(std::move(inner)), alterations_(std::move(alterations)) {}

    DeviceTraits traits() const noexcept override { return inner_->traits(); }
    DeviceState state() override { return inner_->state(); }
    CallResult set_state(DeviceState target) override {
        return alterations_.set_state ? alterations_.set_state(*inner_, target)
                                      : inner_->set_state(target);
    }
    CallResult read(std::span<std::byte> target) override {
        return alterations_.read ? alterations_.read(*inner_, target) : inner_->read(target);
    }
    CallResult expect(std::uint64_t bytes) override {
        return alterations_.expect ? alterations_.expect(*inner_, bytes) : inner_->expect(bytes);
    }
    CallResult write(std::span<const std::byte> source) override {
        return alterations_.write ? alterations_.write(*inner_, source) : inner_->write(source);
    }
    CallResult save_config(std::vector<std::byte>& target) override {
        return alterations_.save_config ? alterations_.save_config(*inner_, target)
                                        : inner_->save_config(target);
    }
    CallResult load_config(std::span<const std::byte> source) override {
        return inner_->load_config(source);
    }
    CallResult pre_copy_sizes(PreCopySizes& target) override {
        return alterations_.pre_copy_sizes ? alterations_.pre_copy_sizes(*inner_, target)
                                           : inner_->pre_copy_sizes(target);
    }
    CallResult stop_copy_size() override {
        return alterations_.stop_copy_size ? alterations_.stop_copy_size(*inner_)
                                           : inner_->stop_copy_size();
    }
    CallResult reset() override {
        return alterations_.reset ? alterations_.reset(*inner_) : inner_->reset();
    }
    CallResult start_dma_logging(std::uint64_t page_size,
                                 std::span<const DmaRange> ranges) override {
        if (!alterations_.start_dma_logging) return inner_->start_dma_logging(page_size, ranges);
        const CallResult made = inner_->start_dma_logging(page_size, ranges);
        return made.ok() ? made : alterations_.start_dma_logging(*inner_);
    }
    CallResult report_dma_logging(DmaRange range, std::uint64_t page_size,
                                  std::span<std::uint64_t> bitmap) override {
        CallResult made = inner_->report_dma_logging(range, page_size, bitmap);
        if (!made.ok() || !alterations_.report_dma_logging) return made;
        return alterations_.report_dma_logging(*inner_, bitmap);
    }
    CallResult stop_dma_logging() override { return inner_->stop_dma_logging(); }
    void interrupt() noexcept override {
        inner_->interrupt();
        if (alterations_.interrupt) alterations_.interrupt(*inner_);
    }
    std::span<std::byte> lend() noexcept override {
        return alterations_.lend ? alterations_.lend(*inner_) : inner_->lend();
    }
    CallResult wrote_lent(std::span<const std::byte> source) override {
        return inner_->wrote_lent(source);
    }

  private:
    std::shared_ptr<Device> inner_;
    Alterations alterations_;
};

}  // namespace multifd::test
