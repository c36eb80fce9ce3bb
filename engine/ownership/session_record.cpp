#include "engine/ownership/session_record.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "channels/transport/descriptor.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

using nlohmann::json;

constexpr std::string_view kSchema = "multifd-session-record-1";
constexpr std::size_t kTextBytesMax = 1024;  ///< Of an address or a time in a record.

ErrorCode system_error(int error) {
    return {error, boost::system::system_category()};
}

bool decision_fits(Role role, Decision decision) noexcept {
    switch (decision) {
        case Decision::started:
            return true;
        case Decision::commit_decided:
        case Decision::given_up:
        case Decision::resumed:
            return role == Role::source;
        case Decision::loaded:
        case Decision::starting:
        case Decision::running:
        case Decision::refused:
        case Decision::clean:
            return role == Role::destination;
    }
    return false;
}

/// Reads the fields of a record's JSON; the first that is wrong leaves its name in problem().
class FieldReader {
  public:
    explicit FieldReader(const json& object) : object_(object) {}

    std::string text(const char* name, std::size_t bytes_max) {
        const auto found = object_.find(name);
        if (found == object_.end() || !found->is_string()) return wrong<std::string>(name);
        const auto& value = found->get_ref<const std::string&>();
        return value.size() <= bytes_max ? value : wrong<std::string>(name);
    }
    std::int64_t number(const char* name, std::int64_t most) {
        const auto found = object_.find(name);
        if (found == object_.end() || !found->is_number_unsigned()) {
            return wrong<std::int64_t>(name);
        }
        const auto value = found->get<std::uint64_t>();
        if (value > static_cast<std::uint64_t>(most)) return wrong<std::int64_t>(name);
        return static_cast<std::int64_t>(value);
    }
    const json* list(const char* name, std::size_t size_max) {
        const auto found = object_.find(name);
        if (found == object_.end() || !found->is_array() || found->size() > size_max) {
            return wrong<const json*>(name);
        }
        return &*found;
    }
    template <class T>
    T wrong(std::string_view name) {
        if (problem_.empty())
            problem_ = "the field '" + std::string(name) + "' is missing or wrong";
        return T{};
    }
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    const json& object_;
    std::string problem_;
};

/// Either a record or, in `problem`, why not.
struct Decoded {
    SessionRecord record;
    std::string problem;
};

std::string read_devices(FieldReader& fields, std::vector<DeviceIdentity>& devices) {
    const json* list = fields.list("devices", limits::kDevicesMax);
    if (list == nullptr) return fields.problem();
    devices.reserve(list->size());
    for (const json& entry : *list) {
        if (!entry.is_object()) return "a device's entry is not an object";
        FieldReader device(entry);
        DeviceIdentity identity;
        // A byte that is no UTF-8 is written as the three bytes of U+FFFD.
        identity.idstr = device.text("idstr", 3 * limits::kIdstrBytesMax);
        identity.instance_id =
            static_cast<std::uint32_t>(device.number("instance-id", 0xffffffffLL));
        if (!device.problem().empty()) return device.problem();
        devices.push_back(std::move(identity));
    }
    return {};
}

Decoded decode(std::string_view text) {
    const json document = json::parse(text, nullptr, false);
    if (!document.is_object()) return {{}, "it is not a JSON object"};
    FieldReader fields(document);
    if (fields.text("schema", kTextBytesMax) != kSchema) {
        return {{}, "its schema is not " + std::string(kSchema)};
    }
    Decoded decoded;
    SessionRecord& record = decoded.record;
    record.session = fields.text("session", kTextBytesMax);
    record.peer = fields.text("peer", kTextBytesMax);
    record.time = fields.text("time", kTextBytesMax);
    record.pid = fields.number("pid", 0x7fffffffLL);
    const std::string role = fields.text("role", kTextBytesMax);
    const auto decision = decision_of_name(fields.text("decision", kTextBytesMax));
    record.role = role == to_string(Role::source) ? Role::source : Role::destination;
    if (role != to_string(record.role)) return {{}, "its role is neither source nor destination"};
    if (!decision || !decision_fits(record.role, *decision)) {
        return {{}, "its decision is not one a " + role + " makes"};
    }
    record.decision = *decision;
    decoded.problem = fields.problem();
    if (decoded.problem.empty()) decoded.problem = read_devices(fields, record.devices);
    return decoded;
}

/// The whole of a regular file of at most kRecordBytesMax, or why not.
struct FileText {
    std::string text;
    std::string problem;
};

FileText read_text(int folder, const std::string& name) {
    // A link, or a FIFO that somebody put there, must not be followed or waited for.
    const Descriptor file(
        ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() < 0) return {{}, system_error(errno).message()};
    struct stat about {};
    if (::fstat(file.get(), &about) != 0) return {{}, system_error(errno).message()};
    if (!S_ISREG(about.st_mode)) return {{}, "it is not a regular file"};
    FileText result;
    std::array<char, 16384> block{};
    while (result.text.size() <= kRecordBytesMax) {
        const ssize_t got = ::read(file.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return {{}, system_error(errno).message()};
        if (got == 0) return result;
        result.text.append(block.data(), static_cast<std::size_t>(got));
    }
    return {{}, "it is over " + std::to_string(kRecordBytesMax) + " bytes"};
}

void read_record(int folder, const std::string& name, RecordFolder& result) {
    FileText file = read_text(folder, name);
    if (!file.problem.empty()) {
        result.damaged.push_back({name, std::move(file.problem)});
        return;
    }
    Decoded decoded = decode(file.text);
    if (decoded.problem.empty() && record_file_name(decoded.record) != name) {
        decoded.problem = "its content is of another session or role than its name";
    }
    if (decoded.problem.empty()) {
        result.records.push_back(std::move(decoded.record));
    } else {
        result.damaged.push_back({name, std::move(decoded.problem)});
    }
}

Result<int> open_folder(const std::string& folder) {
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return system_error(errno);
    return opened;
}

}  // namespace

bool session_name_valid(std::string_view session) noexcept {
    constexpr std::size_t kSessionBytesMax = 64;
    return !session.empty() && session.size() <= kSessionBytesMax &&
           std::ranges::all_of(session, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '-';
           });
}

std::string record_file_name(const SessionRecord& record) {
    return record.session + "." + std::string(to_string(record.role)) + ".json";
}

std::string encode_record(const SessionRecord& record) {
    json devices = json::array();
    for (const DeviceIdentity& device : record.devices) {
        devices.push_back({{"idstr", device.idstr}, {"instance-id", device.instance_id}});
    }
    const json document = {{"schema", kSchema},
                           {"session", record.session},
                           {"role", to_string(record.role)},
                           {"peer", record.peer},
                           {"decision", to_string(record.decision)},
                           {"devices", std::move(devices)},
                           {"time", record.time},
                           {"pid", record.pid}};
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<RecordFolder> read_all(const std::string& folder) {
    RecordFolder result;
    const auto opened = open_folder(folder);
    if (!opened) {
        if (opened.error() == boost::system::errc::no_such_file_or_directory) return result;
        return opened.error();
    }
    Descriptor descriptor(*opened);
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(descriptor.get()), ::closedir);
    if (listing == nullptr) return system_error(errno);
    const int folder_descriptor = descriptor.release();  // The listing closes it now.
    while (const dirent* entry = ::readdir(listing.get())) {
        const std::string name = entry->d_name;
        if (name.starts_with('.') || !name.ends_with(".json")) continue;
        read_record(folder_descriptor, name, result);
    }
    std::ranges::sort(result.records, {}, [](const SessionRecord& record) {
        return std::tuple(record.session, record.role);
    });
    std::ranges::sort(result.damaged, {}, &RecordFolder::Damaged::file);
    return result;
}

Result<RecordFolder> read(const std::string& folder, std::string_view session) {
    if (!session_name_valid(session)) return ErrorCode(Errc::setting_invalid);
    RecordFolder result;
    const auto opened = open_folder(folder);
    if (!opened) {
        if (opened.error() == boost::system::errc::no_such_file_or_directory) return result;
        return opened.error();
    }
    const Descriptor descriptor(*opened);
    for (const Role role : {Role::source, Role::destination}) {
        SessionRecord wanted;
        wanted.session = session;
        wanted.role = role;
        const std::string name = record_file_name(wanted);
        struct stat about {};
        if (::fstatat(descriptor.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 &&
            errno == ENOENT) {
            continue;
        }
        read_record(descriptor.get(), name, result);
    }
    return result;
}

std::string default_state_folder() {
    const auto variable = [](const char* name) -> std::string {
        const char* value = std::getenv(name);
        return value != nullptr ? value : "";
    };
    // The XDG specification: a relative path there is to be ignored.
    if (const auto state = variable("XDG_STATE_HOME"); state.starts_with('/')) {
        return state + "/multifd";
    }
    if (::geteuid() == 0) return "/var/lib/multifd";
    if (const auto home = variable("HOME"); !home.empty()) return home + "/.local/state/multifd";
    return {};
}

}  // namespace multifd
