#include "engine/ownership/session_record.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

namespace multifd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSession = "00112233445566778899aabbccddeeff";

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "multifd-record-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string state() const { return (path_ / "a" / "b").string(); }
    [[nodiscard]] fs::path path() const { return path_; }
    void put(const std::string& name, std::string_view content) const {
        fs::create_directories(state());
        std::ofstream(fs::path(state()) / name, std::ios::binary) << content;
    }

  private:
    fs::path path_;
};

SessionRecord record(Role role, Decision decision) {
    SessionRecord made;
    made.session = kSession;
    made.role = role;
    made.peer = "tcp:127.0.0.1:4444";
    made.decision = decision;
    made.devices = {{"gpu0", 0}, {"nic \"x\"", 7}};
    return made;
}

RecordStore prepared(const std::string& folder) {
    RecordStore store(folder);
    const auto made = store.prepare();
    INFO(store.problem());
    REQUIRE(made.has_value());
    return store;
}

SessionRecord only_record(const std::string& folder) {
    const auto found = read_all(folder);
    REQUIRE(found.has_value());
    CHECK(found->damaged.empty());
    REQUIRE(found->records.size() == 1);
    return found->records.front();
}

unsigned mode_of(const fs::path& path) {
    struct stat about {};
    REQUIRE(::lstat(path.c_str(), &about) == 0);
    return about.st_mode & 0777U;
}

std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

/// Runs `work` in a process of its own, whose exit code it gives.
template <class Work>
int in_child(Work work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a record comes back as it was written, private to its owner", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    REQUIRE_FALSE(store.write(record(Role::source, Decision::commit_decided)));

    const SessionRecord read_back = only_record(folder.state());
    CHECK(read_back.session == kSession);
    CHECK(read_back.role == Role::source);
    CHECK(read_back.peer == "tcp:127.0.0.1:4444");
    CHECK(read_back.decision == Decision::commit_decided);
    CHECK(read_back.devices == record(Role::source, Decision::started).devices);
    CHECK(read_back.pid == ::getpid());
    CHECK(std::regex_match(read_back.time, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));
    CHECK(mode_of(folder.state()) == 0700);
    CHECK(mode_of(folder.path() / "a") == 0700);
    CHECK(mode_of(fs::path(folder.state()) / (std::string(kSession) + ".source.json")) == 0600);
}

TEST_CASE("a later decision replaces the earlier one and leaves no temporary file", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    for (const auto decision : {Decision::started, Decision::commit_decided, Decision::given_up}) {
        REQUIRE_FALSE(store.write(record(Role::source, decision)));
        CHECK(only_record(folder.state()).decision == decision);
        CHECK(files_in(folder.state()) == 1);
    }
}

TEST_CASE("every decision has a name that reads back", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    for (int value = 0; value <= static_cast<int>(Decision::clean); ++value) {
        const auto decision = static_cast<Decision>(value);
        CHECK(decision_of_name(to_string(decision)) == decision);
        const Role role = decision > Decision::resumed ? Role::destination : Role::source;
        REQUIRE_FALSE(store.write(record(role, decision)));
        const auto found = read(folder.state(), kSession);
        REQUIRE(found.has_value());
        REQUIRE_FALSE(found->records.empty());
        const auto& read_back =
            role == Role::source ? found->records.front() : found->records.back();
        CHECK(read_back.decision == decision);
    }
    CHECK_FALSE(decision_of_name("owned"));
}

TEST_CASE("without a folder, or before there is a session, nothing is recorded", "[record]") {
    RecordStore none("");
    CHECK(none.prepare().has_value());
    CHECK_FALSE(none.write(record(Role::source, Decision::started)));
    const Folder folder;
    RecordStore store = prepared(folder.state());
    SessionRecord early = record(Role::source, Decision::resumed);
    early.session.clear();
    CHECK_FALSE(store.write(early));
    CHECK(files_in(folder.state()) == 0);
}

TEST_CASE("a folder that cannot be made or written is found at start-up", "[record]") {
    const Folder folder;
    folder.put("file", "in the way");
    const std::string in_the_way = folder.state() + "/file";
    const auto below = GENERATE(as<std::string>{}, "", "/deeper", "/deeper/still");
    RecordStore store(in_the_way + below);
    const auto made = store.prepare();
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error() == Errc::record_failed);
    CHECK(store.problem().find("Not a directory") != std::string::npos);
    CHECK(store.problem().find("file") != std::string::npos);
    CHECK(store.problem().find('\n') == std::string::npos);
}

TEST_CASE("a folder without permission is found at start-up", "[record]") {
    const Folder folder;
    fs::create_directories(folder.state());
    fs::permissions(folder.state(), fs::perms::owner_read | fs::perms::owner_exec);
    fs::permissions(folder.path(), fs::perms::all);
    fs::permissions(folder.path() / "a", fs::perms::all);
    const int exit = in_child([&] {
        // Root may write anywhere; nobody may not.
        if (::geteuid() == 0 && ::setuid(65534) != 0) return 9;
        RecordStore store(folder.state());
        const auto made = store.prepare();
        return !made && made.error() == Errc::record_failed ? 0 : 1;
    });
    CHECK(exit == 0);
}

TEST_CASE("a full disk fails the write and leaves the previous record", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    REQUIRE_FALSE(store.write(record(Role::source, Decision::started)));
    const int exit = in_child([&] {
        // A file size limit stands in for the full disk: write() stops in the middle and fails.
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{100, 100};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 9;
        const ErrorCode error = store.write(record(Role::source, Decision::commit_decided));
        return error == Errc::record_failed && !store.problem().empty() ? 0 : 1;
    });
    CHECK(exit == 0);
    CHECK(only_record(folder.state()).decision == Decision::started);
    CHECK(files_in(folder.state()) == 1);
}

TEST_CASE("a folder that vanished fails the write", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    fs::remove_all(folder.state());
    CHECK(store.write(record(Role::source, Decision::started)) == Errc::record_failed);
    CHECK(store.problem().find("No such file") != std::string::npos);
}

TEST_CASE("torn temporary files and foreign files are ignored", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    folder.put(".00112233445566778899aabbccddeeff.source.json.7.0.tmp", "{\"schema\": \"mult");
    folder.put("notes.txt", "hello");
    folder.put(".hidden.json", "{}");
    REQUIRE_FALSE(store.write(record(Role::source, Decision::started)));
    CHECK(only_record(folder.state()).decision == Decision::started);
}

TEST_CASE("a damaged record is listed by name and disturbs no other", "[record]") {
    SessionRecord whole = record(Role::source, Decision::started);
    whole.time = "2024-05-01T12:00:00Z";
    whole.pid = 1;
    const std::string text = encode_record(whole);
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string changed = text;
        const auto at = changed.find(from);
        REQUIRE(at != std::string::npos);
        return changed.replace(at, from.size(), to);
    };
    const std::vector<std::pair<const char*, std::string>> damages{
        {"empty", ""},
        {"cut", text.substr(0, text.size() / 2)},
        {"no object", "[]"},
        {"nested too deep", std::string(1U << 20U, '[')},
        {"another schema", with("record-1", "record-2")},
        {"a destination's decision", with("\"started\"", "\"running\"")},
        {"unknown decision", with("\"started\"", "\"owned\"")},
        {"unknown role", with("\"source\"", "\"relay\"")},
        {"another session", with("0011", "ffff")},
        {"pid of another type", with("\"pid\": 1", "\"pid\": \"1\"")},
        {"negative pid", with("\"pid\": 1", "\"pid\": -1")},
        {"instance-id too large", with(": 7", ": 4294967296")},
        {"device without name", with("\"idstr\": \"gpu0\"", "\"name\": \"gpu0\"")},
        {"devices of another type", with("\"devices\": [", "\"devices\": {}, \"x\": [")},
        {"peer too long", with("tcp:", std::string(2000, 'x'))},
        {"too large", text + std::string(kRecordBytesMax, ' ')},
    };
    for (const auto& [name, content] : damages) {
        INFO(name);
        const Folder folder;
        const std::string file = std::string(kSession) + ".source.json";
        folder.put(file, content);
        RecordStore store = prepared(folder.state());
        REQUIRE_FALSE(store.write(record(Role::destination, Decision::loaded)));
        const auto found = read_all(folder.state());
        REQUIRE(found.has_value());
        REQUIRE(found->damaged.size() == 1);
        CHECK(found->damaged.front().file == file);
        CHECK_FALSE(found->damaged.front().problem.empty());
        REQUIRE(found->records.size() == 1);
        CHECK(found->records.front().decision == Decision::loaded);
    }
}

TEST_CASE("links, folders and pipes are not read as records", "[record]") {
    const Folder folder;
    folder.put("real", encode_record(record(Role::source, Decision::started)));
    const fs::path state = folder.state();
    const std::string stem(kSession);
    fs::create_symlink(state / "real", state / (stem + ".source.json"));
    REQUIRE(::mkfifo((state / (stem + ".destination.json")).c_str(), 0600) == 0);
    fs::create_directory(state / "f.source.json");
    const auto found = read_all(folder.state());
    REQUIRE(found.has_value());
    CHECK(found->records.empty());
    CHECK(found->damaged.size() == 3);
    for (const auto& each : found->damaged) {
        INFO(each.file);
        CHECK_FALSE(each.problem.empty());
        if (each.file == stem + ".destination.json") {
            CHECK(each.problem == "it is not a regular file");
        }
    }
}

TEST_CASE("a damaged record cut at any byte never reads as a whole one", "[record]") {
    SessionRecord whole = record(Role::source, Decision::commit_decided);
    whole.time = "2024-05-01T12:00:00Z";
    const std::string text = encode_record(whole);
    const Folder folder;
    for (std::size_t size = 0; size + 2 <= text.size(); ++size) {
        folder.put(record_file_name(whole), std::string_view(text).substr(0, size));
        const auto found = read(folder.state(), kSession);
        REQUIRE(found.has_value());
        INFO(size);
        CHECK(found->records.empty());
        CHECK(found->damaged.size() == 1);
    }
}

TEST_CASE("reading asks for one session, and refuses names that none can have", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    SessionRecord other = record(Role::source, Decision::started);
    other.session = "ff112233445566778899aabbccddeeff";
    REQUIRE_FALSE(store.write(other));
    REQUIRE_FALSE(store.write(record(Role::destination, Decision::running)));
    REQUIRE_FALSE(store.write(record(Role::source, Decision::given_up)));
    const auto one = read(folder.state(), kSession);
    REQUIRE(one.has_value());
    REQUIRE(one->records.size() == 2);
    CHECK(one->records[0].role == Role::source);
    CHECK(one->records[1].role == Role::destination);
    CHECK(read_all(folder.state())->records.size() == 3);
    CHECK(read(folder.state(), "0000")->records.empty());
    CHECK(read(folder.state() + "/none", kSession)->records.empty());
    CHECK(read_all(folder.state() + "/none")->records.empty());
    for (const char* name : {"", "../escape", "a/b", "a.b"}) {
        CHECK(read(folder.state(), name).error() == Errc::setting_invalid);
    }
}

TEST_CASE("a name that is no UTF-8 is replaced, not refused", "[record]") {
    const Folder folder;
    RecordStore store = prepared(folder.state());
    SessionRecord odd = record(Role::source, Decision::started);
    odd.devices = {{std::string(255, '\xff'), 0}};
    REQUIRE_FALSE(store.write(odd));
    CHECK(only_record(folder.state()).devices.size() == 1);
}

TEST_CASE("many sessions write into one folder at once", "[record]") {
    const Folder folder;
    constexpr int kThreads = 4;
    constexpr int kSessions = 5;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&folder, thread] {
                RecordStore store(folder.state());
                if (!store.prepare()) return;  // Then its records are missing below.
                for (int session = 0; session < kSessions; ++session) {
                    SessionRecord mine = record(Role::source, Decision::started);
                    mine.session = std::to_string(thread) + "-" + std::to_string(session);
                    if (store.write(mine)) return;
                    mine.decision = Decision::commit_decided;
                    if (store.write(mine)) return;
                }
            });
        }
    }
    const auto found = read_all(folder.state());
    REQUIRE(found.has_value());
    CHECK(found->damaged.empty());
    CHECK(found->records.size() == kThreads * kSessions);
    for (const auto& each : found->records) CHECK(each.decision == Decision::commit_decided);
    CHECK(files_in(folder.state()) == kThreads * kSessions);
}

TEST_CASE("two attempts of one session do not tear each other's record", "[record]") {
    // A guest's UUID names the session of a QEMU stream, so that attempts can share a name.
    const Folder folder;
    RecordStore maker = prepared(folder.state());
    std::atomic<int> failures{0};  // Counts only.
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&] {
                RecordStore store(folder.state());
                for (int round = 0; round < 25; ++round) {
                    if (store.write(record(Role::source, Decision::started))) ++failures;
                }
            });
        }
    }
    CHECK(failures == 0);
    CHECK(only_record(folder.state()).decision == Decision::started);
    CHECK(files_in(folder.state()) == 1);
}

TEST_CASE("the default folder follows XDG, and root has a system folder", "[record]") {
    const int exit = in_child([] {
        ::setenv("XDG_STATE_HOME", "/x/state", 1);
        if (default_state_folder() != "/x/state/multifd") return 1;
        ::setenv("XDG_STATE_HOME", "relative", 1);
        ::setenv("HOME", "/h/someone", 1);
        const char* expected =
            ::geteuid() == 0 ? "/var/lib/multifd" : "/h/someone/.local/state/multifd";
        if (default_state_folder() != expected) return 2;
        if (::geteuid() == 0 && ::setuid(65534) != 0) return 3;
        if (default_state_folder() != "/h/someone/.local/state/multifd") return 4;
        ::unsetenv("HOME");
        return default_state_folder().empty() ? 0 : 5;
    });
    CHECK(exit == 0);
}

}  // namespace multifd
