#include "channels/wire/hello.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/json_text.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

using nlohmann::json;

constexpr std::size_t kHelloNestingMax = 8;
constexpr std::size_t kFeaturesMax = 64;
constexpr std::size_t kFeatureBytesMax = 64;
constexpr std::size_t kSoftwareBytesMax = 128;
constexpr std::size_t kDeviceFieldsMax = 5;
constexpr std::size_t kDevicesPerDigit = 4;
constexpr std::string_view kHexDigits = "0123456789abcdef";

/// idstr is bytes, JSON is Unicode: each byte travels as the code point of its value.
std::string idstr_to_json(std::string_view idstr) {
    std::string text;
    for (const char character : idstr) {
        const unsigned byte = static_cast<unsigned char>(character);
        if (byte < 0x80) {
            text.push_back(character);
        } else {
            text.push_back(static_cast<char>(0xc0U | (byte >> 6U)));
            text.push_back(static_cast<char>(0x80U | (byte & 0x3fU)));
        }
    }
    return text;
}

/// The reverse; empty when a code point is over 255. `text` is valid UTF-8, by the JSON parser.
std::string idstr_of_json(std::string_view text) {
    std::string idstr;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const unsigned byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x80) {
            idstr.push_back(text[i]);
            continue;
        }
        if ((byte & 0xfcU) != 0xc0 || i + 1 == text.size()) return {};
        const unsigned next = static_cast<unsigned char>(text[++i]);
        idstr.push_back(static_cast<char>((byte << 6U) | (next & 0x3fU)));
    }
    return idstr;
}

bool idstr_valid(std::string_view idstr) {
    return !idstr.empty() && idstr.size() <= limits::kIdstrBytesMax &&
           idstr.find('\0') == std::string_view::npos;
}

/// One bit per device, the first in the highest bit of the first digit; empty when none is set. Of
/// all devices apart, because 4096 of them leave no room for a field more in each.
std::string pre_copies_text(const std::vector<HelloDevice>& devices) {
    if (std::ranges::none_of(devices, &HelloDevice::pre_copies)) return {};
    std::string text;
    for (std::size_t first = 0; first < devices.size(); first += kDevicesPerDigit) {
        unsigned digit = 0;
        for (std::size_t i = first; i < first + kDevicesPerDigit; ++i) {
            digit = digit << 1U | (i < devices.size() && devices[i].pre_copies ? 1U : 0U);
        }
        text.push_back(kHexDigits[digit]);
    }
    return text;
}

/// [idstr, instance_id, multifd, running, expected_bytes]; trailing defaults are left out, so that
/// 4096 devices fit.
json device_to_json(const HelloDevice& device, bool expectations) {
    const std::uint64_t expected_bytes = expectations ? device.expected_bytes : 0;
    json entry = json::array({idstr_to_json(device.identity.idstr), device.identity.instance_id,
                              static_cast<std::uint8_t>(device.multifd), device.running ? 1 : 0,
                              expected_bytes});
    const std::array<bool, kDeviceFieldsMax> is_default{false, device.identity.instance_id == 0,
                                                        device.multifd == MultifdChoice::automatic,
                                                        device.running, expected_bytes == 0};
    while (is_default[entry.size() - 1]) entry.erase(entry.size() - 1);
    return entry;
}

std::string to_text(const Hello& hello, bool expectations) {
    json object = json::object();
    object["protocol"] = hello.protocol;
    object["software"] = hello.software.substr(0, kSoftwareBytesMax);
    if (!hello.features.empty()) object["features"] = hello.features;
    if (!hello.required.empty()) object["required"] = hello.required;
    if (hello.channels != 0) object["channels"] = hello.channels;
    if (hello.packet_bytes != 0) object["packet-bytes"] = hello.packet_bytes;
    if (hello.packet_bytes_max != 0) object["packet-bytes-max"] = hello.packet_bytes_max;
    if (hello.queued_bytes_max != 0) object["queued-bytes-max"] = hello.queued_bytes_max;
    object["verify"] = hello.verify;
    object["switchover-ack"] = hello.switchover_ack;
    if (const auto text = pre_copies_text(hello.devices); !text.empty()) {
        object["pre-copies"] = text;
    }
    if (hello.session) object["session"] = to_string(*hello.session);
    json& devices = object["devices"] = json::array();
    for (const HelloDevice& device : hello.devices) {
        devices.push_back(device_to_json(device, expectations));
    }
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Reads one hello's values; the first that is wrong makes ok() false for good. Absent keys keep
/// their defaults.
class HelloReader {
  public:
    explicit HelloReader(const json& object) : object_(object) {}

    [[nodiscard]] bool ok() const { return ok_; }
    void require(bool condition) { ok_ = ok_ && condition; }

    template <class T>
    void number(const json& value, std::uint64_t most, T& target) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
            ok_ = false;
            return;
        }
        target = static_cast<T>(value.get<std::uint64_t>());
    }
    template <class T>
    void number(const char* key, std::uint64_t most, T& target) {
        if (const json* value = find(key)) number(*value, most, target);
    }
    void packet_size(const char* key, std::uint64_t& target) {
        number(key, limits::kPacketDataBytesMax, target);
        require(target == 0 || target >= limits::kPacketDataBytesMin);
    }
    void boolean(const char* key, bool& target) {
        const json* value = find(key);
        if (value == nullptr) return;
        require(value->is_boolean());
        if (ok_) target = value->get<bool>();
    }
    void text(const json& value, std::size_t bytes_max, std::string& target) {
        require(value.is_string() && value.get_ref<const std::string&>().size() <= bytes_max);
        if (ok_) target = value.get_ref<const std::string&>();
    }
    const json* find(const char* key) const {
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    const json* array(const char* key, std::size_t count_max) {
        const json* value = find(key);
        if (value == nullptr) return nullptr;
        require(value->is_array() && value->size() <= count_max);
        return ok_ ? value : nullptr;
    }

  private:
    const json& object_;
    bool ok_ = true;
};

void read_features(HelloReader& reader, const char* key, std::vector<std::string>& target) {
    const json* features = reader.array(key, kFeaturesMax);
    if (features == nullptr) return;
    for (const json& feature : *features) {
        reader.text(feature, kFeatureBytesMax, target.emplace_back());
    }
}

void read_session(HelloReader& reader, Hello& hello) {
    const json* value = reader.find("session");
    if (value == nullptr) return;
    std::string text;
    reader.text(*value, 2 * sizeof(SessionId::bytes), text);
    SessionId session;
    if (text.size() != 2 * session.bytes.size()) return reader.require(false);
    for (std::size_t i = 0; i < session.bytes.size(); ++i) {
        const auto high = kHexDigits.find(text[2 * i]);
        const auto low = kHexDigits.find(text[2 * i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos) {
            return reader.require(false);
        }
        session.bytes[i] = static_cast<std::byte>(high << 4U | low);
    }
    hello.session = session;
}

void read_device(HelloReader& reader, const json& entry, HelloDevice& device) {
    // A newer peer may append fields to an entry.
    if (!entry.is_array() || entry.empty()) return reader.require(false);
    std::string name;
    reader.text(entry[0], 2 * limits::kIdstrBytesMax, name);
    device.identity.idstr = idstr_of_json(name);
    reader.require(idstr_valid(device.identity.idstr));
    constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();
    constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();
    if (entry.size() > 1) reader.number(entry[1], kU32Max, device.identity.instance_id);
    if (entry.size() > 2) reader.number(entry[2], 2, device.multifd);
    if (entry.size() > 3) reader.number(entry[3], 1, device.running);
    if (entry.size() > 4) reader.number(entry[4], kU64Max, device.expected_bytes);
}

void read_devices(HelloReader& reader, Hello& hello) {
    const json* devices = reader.array("devices", limits::kDevicesMax);
    if (devices == nullptr) return reader.require(false);
    std::set<DeviceIdentity> identities;
    for (const json& entry : *devices) {
        HelloDevice& device = hello.devices.emplace_back();
        read_device(reader, entry, device);
        reader.require(identities.insert(device.identity).second);
        if (!reader.ok()) return;
    }
}

void read_pre_copies(HelloReader& reader, Hello& hello) {
    const json* value = reader.find("pre-copies");
    if (value == nullptr) return;
    auto& devices = hello.devices;
    const std::size_t digits = (devices.size() + kDevicesPerDigit - 1) / kDevicesPerDigit;
    std::string text;
    reader.text(*value, digits, text);
    reader.require(text.size() == digits);
    if (!reader.ok()) return;
    for (std::size_t i = 0; i < digits * kDevicesPerDigit; ++i) {
        const auto digit = kHexDigits.find(text[i / kDevicesPerDigit]);
        if (digit == std::string_view::npos) return reader.require(false);
        const bool set = (digit >> (kDevicesPerDigit - 1 - i % kDevicesPerDigit) & 1U) != 0;
        if (i < devices.size()) {
            devices[i].pre_copies = set;
        } else {
            reader.require(!set);
        }
    }
}

}  // namespace

Result<std::vector<std::byte>> encode(const Hello& hello) {
    MULTIFD_ASSERT(hello.devices.size() <= limits::kDevicesMax);
    MULTIFD_ASSERT(std::max(hello.features.size(), hello.required.size()) <= kFeaturesMax);
    MULTIFD_ASSERT(hello.channels <= limits::kChannelsMax);
    MULTIFD_ASSERT(std::ranges::all_of(hello.devices, [](const HelloDevice& device) {
        return idstr_valid(device.identity.idstr);
    }));
    std::string text = to_text(hello, true);
    // Estimates only feed progress lines: they give way to devices.
    if (text.size() > limits::kHelloBytesMax) text = to_text(hello, false);
    if (text.size() > limits::kHelloBytesMax) return make_error_code(Errc::hello_too_large);
    const auto bytes = bytes_of(text);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Result<Hello> decode_hello(std::span<const std::byte> source) {
    if (source.size() > limits::kHelloBytesMax) return make_error_code(Errc::hello_too_large);
    const std::string_view text = text_of(source);
    if (!json_nesting_within(text, kHelloNestingMax)) return make_error_code(Errc::hello_malformed);
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return make_error_code(Errc::hello_malformed);

    Hello hello;
    HelloReader reader(object);
    hello.protocol = 0;
    reader.number("protocol", std::numeric_limits<std::uint32_t>::max(), hello.protocol);
    if (!reader.ok() || hello.protocol == 0) return make_error_code(Errc::hello_malformed);
    // Only what another version would still have in common may be read before this.
    if (hello.protocol != kProtocolVersion) {
        return make_error_code(Errc::hello_version_unsupported);
    }
    if (const json* software = reader.find("software")) {
        reader.text(*software, limits::kHelloBytesMax, hello.software);
        hello.software.resize(std::min(hello.software.size(), kSoftwareBytesMax));
    }
    read_features(reader, "features", hello.features);
    read_features(reader, "required", hello.required);
    reader.number("channels", limits::kChannelsMax, hello.channels);
    reader.packet_size("packet-bytes", hello.packet_bytes);
    reader.packet_size("packet-bytes-max", hello.packet_bytes_max);
    reader.number("queued-bytes-max", std::numeric_limits<std::uint64_t>::max(),
                  hello.queued_bytes_max);
    reader.boolean("verify", hello.verify);
    reader.boolean("switchover-ack", hello.switchover_ack);
    read_session(reader, hello);
    read_devices(reader, hello);
    if (reader.ok()) read_pre_copies(reader, hello);
    if (!reader.ok()) return make_error_code(Errc::hello_malformed);
    return hello;
}

}  // namespace multifd
