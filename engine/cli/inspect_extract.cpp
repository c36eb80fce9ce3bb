#include "engine/cli/inspect_extract.hpp"

#include <filesystem>

#include "engine/cli/command_context.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/state_unpacker.hpp"

namespace multifd {
namespace {

using Pieces = std::vector<std::span<const std::byte>>;

bool stays(char letter) {
    return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
           (letter >= '0' && letter <= '9') || letter == '.' || letter == '-';
}

/// The files of all devices, one after the other.
class Extraction {
  public:
    explicit Extraction(std::string folder) : folder_(std::move(folder)) {}

    void write_device(const DeviceIdentity& identity, const InspectedDevice& device) {
        const std::string name = extracted_name(identity);
        const OrderedState state = order_state(device);
        const bool seen = device.ended || !device.packets.empty();
        if (seen) {
            write_state(name + (state.complete ? ".state" : ".state.incomplete"), device.main_state,
                        state.buffers);
        }
        if (!device.pre_copy.empty() || !state.pre_copy.empty()) {
            write_state(name + ".precopy", device.pre_copy, state.pre_copy);
        }
        if (const auto config = config_of(device)) write(name + ".config", {*config});
    }

    std::vector<ExtractedFile> files;

  private:
    /// What came down the main channel, then the packets, each unpacked when its turn comes.
    void write_state(const std::string& name, const Pieces& first,
                     const std::vector<const StatePacket*>& packets) {
        std::size_t at = 0;
        write(name, [&]() -> std::optional<std::span<const std::byte>> {
            if (at < first.size()) return first[at++];
            while (at - first.size() < packets.size()) {
                const StatePacket& packet = *packets[at++ - first.size()];
                if (const auto state = unpacker_.unpack(packet)) return *state;
            }
            return std::nullopt;
        });
    }

    void write(const std::string& name, const Pieces& pieces) { write_state(name, pieces, {}); }

    void write(const std::string& name, const PieceMaker& next) {
        const std::string path = folder_ + "/" + name;
        std::uint64_t bytes = 0;
        const std::error_code error = make_file(path, [&] {
            const auto piece = next();
            if (piece) bytes += piece->size();
            return piece;
        });
        if (error) {
            throw StartFailure(Errc::output_failed,
                               path + " cannot be written: " + error.message());
        }
        files.push_back({path, bytes});
    }

    const std::string folder_;
    StateUnpacker unpacker_;
};

}  // namespace

std::string extracted_name(const DeviceIdentity& identity) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string name;
    for (const char letter : identity.idstr) {
        if (stays(letter)) {
            name += letter;
            continue;
        }
        const auto byte = static_cast<unsigned char>(letter);
        name += '%';
        name += kDigits[byte >> 4U];
        name += kDigits[byte & 0x0fU];
    }
    return name + "." + std::to_string(identity.instance_id);
}

std::vector<ExtractedFile> extract_devices(const Inspection& inspection,
                                           const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        throw StartFailure(Errc::output_failed, folder + " cannot be made: " + error.message());
    }
    Extraction extraction(folder);
    for (const auto& [identity, device] : inspection.devices) {
        extraction.write_device(identity, device);
    }
    return std::move(extraction.files);
}

}  // namespace multifd
