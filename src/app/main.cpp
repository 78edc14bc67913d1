#include <unistd.h>

#include <CLI/CLI.hpp>
#include <functional>

#include "app/commands.h"

using namespace ladon;

int main(int argc, char** argv) {
  CLI::App program(
      "Ladon: SR-IOV devices shared by virtual machines on several hosts, emulated in user space");
  program.name("ladon");
  program.require_subcommand(1);
  app::Common common;
  program.add_option("--log", common.log_level, "what to report on stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  std::function<int()> run;
  const auto with_json = [&](CLI::App* command) {
    command->add_flag("--json", common.json, "one JSON object on stdout");
  };
  const auto with_live = [](CLI::App* command, std::string& socket) {
    command->add_option("--live", socket, "control socket of the running rack, as ladon up prints it")
        ->required();
  };

  const auto with_choice = [](CLI::App* command, std::string& guest, app::AccessChoice& choice) {
    command->add_option("--vm", guest, "guest; the first one if not given");
    command->add_option("--dma", choice.dma, "its VF reads this guest-physical address");
    command->add_option("--mmio", choice.mmio, "the guest reads this offset of BAR 0")
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 32));
    command->add_option("--msi", choice.msi, "its VF raises this vector");
    command->add_flag("--write", choice.write, "write instead of read");
  };

  app::UpOptions up;
  auto* up_command =
      program.add_subcommand("up", "bring a rack up, print a QEMU line per VM, serve until Ctrl-C");
  up_command->add_option("rack", up.rack, "rack file (YAML)")->required();
  up_command->add_option("--assets", up.assets, "folder with QEMU, kernel and initramfs")
      ->capture_default_str();
  up_command->add_option("--libvirt", up.libvirt,
                         "also write each guest as a libvirt domain, NAME.xml, to this folder");
  with_json(up_command);
  up_command->callback([&] { run = [&] { return app::up(up, common); }; });

  app::DemoOptions demo;
  auto* demo_command =
      program.add_subcommand("demo", "a rack with real guests, traffic, one attack and a table");
  demo_command->add_option("rack", demo.rack, "rack file (YAML)")->required();
  demo_command->add_option("--assets", demo.assets, "folder with QEMU, kernel and initramfs")
      ->capture_default_str();
  demo_command->add_option("--out", demo.out, "folder for report.json and the guests' logs")
      ->capture_default_str();
  demo_command->add_option("--seconds", demo.seconds, "length of each TCP stream")
      ->check(CLI::Range(1, 60))
      ->capture_default_str();
  with_json(demo_command);
  demo_command->callback([&] { run = [&] { return app::demo(demo, common); }; });

  app::PathOptions path;
  auto* path_command =
      program.add_subcommand("path", "show accesses hop by hop: a DMA, an MMIO and an MSI of a guest");
  path_command->add_option("rack", path.rack, "rack file (YAML)")->required();
  with_choice(path_command, path.guest, path.choice);
  with_json(path_command);
  path_command->callback([&] { run = [&] { return app::path(path, common); }; });

  app::ExplainOptions explain;
  auto* explain_command = program.add_subcommand(
      "explain", "why an access is refused, whose entry is missing, and how to mend it; 1 if there is one");
  auto* explained_file = explain_command->add_option("rack", explain.rack, "rack file (YAML)");
  auto* explain_running =
      explain_command
          ->add_option("--live", explain.live,
                       "the latest refusals of the rack with this control socket, instead")
          ->excludes(explained_file);
  explain_command->add_option("--count", explain.count, "with --live: at most so many, newest first")
      ->needs(explain_running)
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  auto* explained_line =
      explain_command->add_option("--fault", explain.fault, "a fault as Ladon prints it, instead of accesses")
          ->excludes(explain_running);
  explain_command
      ->add_option("--without", explain.without,
                   "as if this table were empty: COMPONENT/TABLE, as faults name it")
      ->excludes(explain_running);
  with_choice(explain_command, explain.guest, explain.choice);
  for (const char* option : {"--vm", "--dma", "--mmio", "--msi", "--write"})
    explain_command->get_option(option)->excludes(explain_running)->excludes(explained_line);
  with_json(explain_command);
  explain_command->callback([&] { run = [&] { return app::explain(explain, common); }; });

  app::PlanOptions plan;
  auto* plan_command = program.add_subcommand(
      "plan", "which guest gets a virtual function of its own and which share one, why, and what is left");
  plan_command->add_option("rack", plan.rack, "rack file (YAML)")->required();
  with_json(plan_command);
  plan_command->callback([&] { run = [&] { return app::plan(plan, common); }; });

  app::ParaOptions para;
  auto* para_command =
      program.add_subcommand("para", "guests of a running rack that share a virtual function of their host");
  para_command->require_subcommand(1);
  auto* para_show = para_command->add_subcommand("show", "what they sent and received, and every drop");
  with_live(para_show, para.live);
  with_json(para_show);
  para_show->callback([&] { run = [&] { return app::para_show(para, common); }; });
  auto* para_set = para_command->add_subcommand("set", "change what one of them may send and be sent");
  with_live(para_set, para.live);
  para_set->add_option("guest", para.guest, "name of the guest")->required();
  para_set
      ->add_option("settings", para.settings,
                   "KEY VALUE or KEY=VALUE: tx_max, max_tx_rate, tx_burst, rx_max, rx_burst; 0: no limit")
      ->required();
  with_json(para_set);
  para_set->callback([&] { run = [&] { return app::para_set(para, common); }; });

  app::AuditOptions audit;
  auto* audit_command = program.add_subcommand(
      "audit", "everything that anybody in a rack can reach, against what was granted; 1 if they differ");
  auto* audited_file = audit_command->add_option("rack", audit.rack, "rack file (YAML)");
  audit_command->add_option("--live", audit.live, "control socket of a running rack, in place of a file")
      ->excludes(audited_file);
  audit_command->add_flag("--lying", audit.lying, "devices and NTBs emit any requester ID, not their own");
  with_json(audit_command);
  audit_command->callback([&] { run = [&] { return app::audit(audit, common); }; });

  app::AttackOptions attack;
  auto* attack_command =
      program.add_subcommand("attack", "try every attack of the catalogue on a live rack; 1 if one succeeds");
  attack_command->add_option("rack", attack.rack, "rack file (YAML)")->required();
  auto* matrix = attack_command->add_flag(
      "--matrix", attack.matrix, "under every set of defences that are off; 1 if one is worth nothing");
  attack_command->add_option("--svg", attack.svg, "write the matrix as a picture to this file")
      ->needs(matrix);
  attack_command->add_flag("--no-prices", attack.no_prices, "measure no prices")->needs(matrix);
  attack_command->add_flag("--guests", attack.guests, "from inside the rack's real guests, while others talk")
      ->excludes(matrix);
  attack_command
      ->add_option("--assets", attack.assets, "with --guests: folder with QEMU, kernel and initramfs")
      ->capture_default_str();
  attack_command->add_option("--out", attack.out, "with --guests: folder for report.json and logs")
      ->capture_default_str();
  attack_command->add_option("--only", attack.only, "the attacks with these ids")->delimiter(',');
  with_json(attack_command);
  attack_command->callback([&] { run = [&] { return app::attack(attack, common); }; });

  app::VfOptions vf;
  auto* vf_command = program.add_subcommand("vf", "show and change the VFs of a running rack");
  vf_command->require_subcommand(1);
  const auto vf_verb = [&](const char* name, const char* what,
                           int (*verb)(const app::VfOptions&, const app::Common&)) {
    auto* command = vf_command->add_subcommand(name, what);
    with_live(command, vf.live);
    with_json(command);
    command->callback([&vf, &common, &run, verb] { run = [&, verb] { return verb(vf, common); }; });
    return command;
  };
  auto* vf_set = vf_verb("set", "change what a VF is promised and may do, while it runs", app::set_vf);
  auto* vf_recover =
      vf_verb("recover", "reset, scrub and use a VF again that is in quarantine", app::recover_vf);
  vf_verb("show", "the VFs with their owners, service levels and refusals", app::show_vfs);
  for (auto* command : {vf_set, vf_recover}) {
    command->add_option("nic", vf.nic, "name of the NIC")->required();
    command->add_option("vf", vf.vf, "index of the VF")->required();
  }
  vf_set->add_option("settings", vf.settings, "KEY VALUE or KEY=VALUE, as in a rack file (doc/rack-file.md)")
      ->required();

  app::FiguresOptions figures;
  auto* figures_command = program.add_subcommand(
      "figures", "the published experiments on VMs that share a device, live: pictures, JSON and a table");
  figures_command->add_option("figures", figures.figures, "which ones: fig1, fig3, aggressor")
      ->required()
      ->check(CLI::IsMember({"fig1", "fig3", "aggressor"}));
  figures_command->add_option("--out", figures.out, "folder for pictures, JSON and the guests' logs")
      ->capture_default_str();
  figures_command->add_option("--assets", figures.assets, "folder with QEMU, kernel and initramfs")
      ->capture_default_str();
  figures_command->add_flag("--quick", figures.quick, "a few points and seconds, to see that it works");
  figures_command
      ->add_option("--capacity", figures.capacity,
                   "of the device, in replies a second; 0: what the machine can")
      ->check(CLI::Range(0.0, 100000.0));
  figures_command->add_option("--repetitions", figures.repetitions, "of each run")->check(CLI::Range(1, 100));
  figures_command->add_option("--seconds", figures.seconds, "length of each run")
      ->check(CLI::Range(0.5, 600.0));
  with_json(figures_command);
  figures_command->callback([&] { run = [&] { return app::figures(figures, common); }; });

  app::ManagementArguments management;
  auto* mh_command = program.add_subcommand("mh", "the management host's program (started by the others)");
  mh_command->add_option("--bridge", management.bridge, "socket of the management host")->required();
  mh_command->add_option("--intent", management.intent, "what is wanted (JSON)")->required();
  mh_command->add_option("--journal", management.journal, "what was done")->required();
  mh_command->add_option("--control", management.control, "socket at which it is asked to change things");
  mh_command->callback([&] { run = [&] { return app::management(management, common); }; });

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? app::kOk : app::kBadInput;
  }
  common.log = Log::to_stderr(parse_log_level(common.log_level).value_or(LogLevel::warning));
  return run();
}
