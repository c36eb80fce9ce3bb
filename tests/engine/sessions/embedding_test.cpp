// How a VMM embeds the engine, next to a heartbeat of its own that must keep ticking.
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

#include "multifd/destination.hpp"
#include "multifd/listener.hpp"
#include "multifd/source.hpp"
#include "tests/support/connection_pair.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace multifd;
using namespace std::chrono_literals;

enum class Mood { well, throws, hangs, starves };

/// The least a device must be: 4 MiB of state that are all alike.
class SmallDevice final : public Device {
  public:
    explicit SmallDevice(Mood mood, std::shared_future<void> release = {})
        : mood_(mood), release_(std::move(release)) {}
    DeviceTraits traits() const noexcept override { return {.kind = "small"}; }
    DeviceState state() override { return state_; }
    CallResult set_state(DeviceState target) override {
        state_ = target;
        return CallResult::success();
    }
    CallResult read(std::span<std::byte> target) override {
        if (mood_ == Mood::throws) throw std::runtime_error("no such register");
        if (mood_ == Mood::starves) throw std::bad_alloc();
        if (mood_ == Mood::hangs) release_.wait();
        const auto size = std::min(target.size(), left_);
        left_ -= size;
        return CallResult::success(size);
    }
    CallResult write(std::span<const std::byte> source) override {
        return CallResult::success(source.size());
    }
    CallResult save_config(std::vector<std::byte>&) override { return CallResult::success(); }
    CallResult load_config(std::span<const std::byte>) override { return CallResult::success(); }
    CallResult stop_copy_size() override { return CallResult::success(left_); }
    CallResult reset() override { return CallResult::success(); }

  private:
    Mood mood_;
    std::shared_future<void> release_;
    std::atomic<DeviceState> state_ = DeviceState::running;
    std::size_t left_ = 4U << 20U;
};

}  // namespace

TEST_CASE("a program with a heartbeat embeds both ends, and lives through bad devices",
          "[session]") {
    std::atomic<bool> alive = true;
    std::atomic<std::uint64_t> beats = 0;
    std::jthread heartbeat([&] {
        while (alive) {
            ++beats;
            std::this_thread::sleep_for(1ms);
        }
    });
    TemporaryFolder folder;
    Listener listener({.listen = "unix:" + (folder / "socket")});
    std::promise<void> release;
    const std::shared_future<void> released(release.get_future());
    for (const auto mood : {Mood::throws, Mood::hangs, Mood::starves, Mood::well}) {
        const auto before = beats.load();
        SourceSettings from;
        DestinationSettings to;
        from.to = listener.address();
        from.stall_timeout = to.stall_timeout = 200ms;
        Destination destination(to, {{"gpu0", 0, MultifdProperty::automatic,
                                      std::make_shared<SmallDevice>(Mood::well)}});
        Source source(from, {{"gpu0", 0, MultifdProperty::automatic,
                              std::make_shared<SmallDevice>(mood, released)}});
        auto arrived = std::async(std::launch::async, [&] { return destination.run(listener); });
        const auto sent = source.run();
        const auto loaded = arrived.get();
        CHECK((sent.status == Status::completed) == (mood == Mood::well));
        CHECK(sent.owner == (mood == Mood::well ? Owner::destination : Owner::source));
        CHECK(loaded.owner == sent.owner);
        CHECK(await([&] { return beats.load() > before; }));
    }
    release.set_value();
    alive = false;
}
