#include "rapt/data/atomic_file.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

namespace rapt::data {
namespace {

void save(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

/// While one lives, no file of this process can grow beyond `bytes`: the disk seems full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    signal_before_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }

 private:
  rlimit before_;
  void (*signal_before_)(int);
};

TEST(AtomicFile, WritesPiecesOfEverySizeInOrder) {
  const TemporaryFolder folder;
  std::string wanted;
  AtomicFile file(folder / "a");
  for (const size_t size : {0, 1, 1000, 1 << 20, 3, (1 << 20) - 1, (1 << 21) + 5, 7}) {
    std::string piece;
    for (size_t i = 0; i < size; ++i) piece += static_cast<char>((wanted.size() + i) * 131 >> 3);
    file.write(piece.data(), piece.size());
    wanted += piece;
  }
  file.commit();
  EXPECT_TRUE(read_bytes(folder / "a") == wanted);
}

TEST(AtomicFile, PutsTheNewFileInPlaceOnlyAtCommit) {
  const TemporaryFolder folder;
  save(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new", 3);
    EXPECT_EQ(read_bytes(folder / "a"), "old");
    file.commit();
    EXPECT_EQ(read_bytes(folder / "a"), "new");
  }
  EXPECT_EQ(folder.count(), 1);
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const TemporaryFolder folder;
  save(folder / "a", "old");
  { AtomicFile(folder / "a").write("new", 3); }
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  EXPECT_EQ(folder.count(), 1);
}

TEST(AtomicFile, AFullDiskLeavesTheOldFileAndNoOther) {
  const TemporaryFolder folder;
  save(folder / "a", "old");
  const std::string large(3 << 20, 'x');
  {
    const FileSizeLimit limit(1 << 20);
    const std::string message = error_of([&] { save(folder / "a", large); });
    EXPECT_PRED2(
        has, message,
        "save: " + (folder / "a") + " is as it was: could not write " + (folder / "a.rapt-"));
    EXPECT_PRED2(has, message, ".tmp: File too large");
  }
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  EXPECT_EQ(folder.count(), 1);
}

TEST(AtomicFile, SaysWhatHoldsWhenItCannotBegin) {
  const TemporaryFolder folder;
  EXPECT_ERROR("is as it was: could not make " + (folder / "none/a.rapt-"),
               AtomicFile(folder / "none/a"));
  EXPECT_ERROR("wanted the path of a file; got \"\"", AtomicFile(""));
}

TEST(AtomicFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "folder");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  const bool has_device =  // of /dev/null's numbers; making one takes the right to
      mknod((folder / "device").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0;
  EXPECT_ERROR("wanted the path of a file; this is a folder", save(folder / "folder", "new"));
  EXPECT_ERROR("wanted the path of a file; this is a device, a FIFO", save(folder / "fifo", "new"));
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "fifo"));
  if (has_device) {
    EXPECT_ERROR("this is a device, a FIFO or a socket", save(folder / "device", "new"));
    EXPECT_TRUE(std::filesystem::is_character_file(folder / "device"));
  }
  EXPECT_EQ(folder.count(), has_device ? 3 : 2);
}

TEST(AtomicFile, ReplacesALinkAndNotWhatItLeadsTo) {
  const TemporaryFolder folder;
  save(folder / "a", "old");
  std::filesystem::create_symlink(folder / "a", folder / "link");
  std::filesystem::create_hard_link(folder / "a", folder / "hard");
  save(folder / "link", "new");
  save(folder / "hard", "newer");
  EXPECT_EQ(read_bytes(folder / "a"), "old");
  EXPECT_EQ(read_bytes(folder / "link"), "new");
  EXPECT_EQ(read_bytes(folder / "hard"), "newer");
}

TEST(AtomicFile, WhoeverReadsTheOldFileGoesOnReadingIt) {
  const TemporaryFolder folder;
  save(folder / "a", "the old bytes");
  std::ifstream reader(folder / "a");
  std::string first, rest;
  reader >> first;
  save(folder / "a", "something new");
  std::getline(reader, rest);
  EXPECT_EQ(first + rest, "the old bytes");
  EXPECT_EQ(read_bytes(folder / "a"), "something new");
}

TEST(AtomicFile, RemovesWhatKilledProcessesLeftAndNothingElse) {
  const TemporaryFolder folder;
  const std::string left = folder / "other.rapt-0123456789abcdef.tmp";
  write_bytes(left, "half");
  // Not those of writers that live, nor files that happen to be called alike.
  AtomicFile living(folder / "b");
  const std::vector<std::string> alike = {"a.tmp", "a.rapt-0123456789abcdeg.tmp", "a.rapt-0123.tmp",
                                          "0123456789abcdef.tmp"};
  for (const std::string& name : alike) write_bytes(folder / name, "mine");
  save(folder / "a", "new");
  EXPECT_FALSE(std::filesystem::exists(left));
  for (const std::string& name : alike) EXPECT_EQ(read_bytes(folder / name), "mine");
  living.write("alive", 5);
  living.commit();
  EXPECT_EQ(read_bytes(folder / "b"), "alive");
}

TEST(AtomicFile, OfManyWhoWriteTheSamePathOneWins) {
  const TemporaryFolder folder;
  std::vector<std::thread> threads;
  for (char letter = 'a'; letter < 'e'; ++letter) {
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 25; ++i) save(folder / "f", std::string(100'000, letter));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string bytes = read_bytes(folder / "f");
  EXPECT_EQ(bytes, std::string(100'000, bytes.at(0)));
  EXPECT_EQ(folder.count(), 1);
}

TEST(AtomicFile, SurvivesKillAtAnyMoment) {
  const TemporaryFolder folder;
  save(folder / "a", std::string(300'000, 'a'));
  for (int trial = 0; trial < 40; ++trial) {
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
      for (char letter = 'a';; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
        save(folder / "a", std::string(300'000, letter));
      }
    }
    usleep(static_cast<useconds_t>(200 + trial * 137));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::string bytes = read_bytes(folder / "a");
    ASSERT_EQ(bytes.size(), 300'000u);
    ASSERT_EQ(bytes, std::string(300'000, bytes[0]));
  }
  save(folder / "a", "still works");
  EXPECT_EQ(folder.count(), 1);
}

TEST(AtomicFile, HasTheUsualPermissions) {
  const TemporaryFolder folder;
  const mode_t mask = umask(027);
  save(folder / "a", "x");
  umask(mask);
  struct stat status;
  ASSERT_EQ(stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);

  for (const mode_t mode : {0600u, 0604u, 0660u}) {  // whoever chose it had a reason
    ASSERT_EQ(chmod((folder / "a").c_str(), mode), 0);
    save(folder / "a", "y");
    ASSERT_EQ(stat((folder / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, mode);
  }
}

TEST(AtomicFile, WritesIntoTheWorkingFolder) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  save("a", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_bytes(folder / "a"), "here");
}

TEST(SyncFolder, NamesTheFolderItCannotSync) {
  const TemporaryFolder folder;
  sync_folder(folder.path());
  EXPECT_ERROR("could not sync the folder " + (folder / "none"), sync_folder(folder / "none"));
}

}  // namespace
}  // namespace rapt::data
