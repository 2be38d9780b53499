"""What identifies people: seven patients, and texts that are planted around them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Patient:
    """A patient and how their name is written.

    Attributes:
        scan_id: the pseudonym.
        name: as in the header, with its character set and that set's name in Python.
        traces: parts of the name to look for.
        damage: what is wrong with the files, empty for a scan to be measured.
    """

    scan_id: str
    name: str
    character_set: list[str]
    codec: str
    traces: tuple[str, ...]
    damage: str = ""


PATIENTS = (
    Patient("p01", "Grünwälder^Jörg", ["ISO_IR 100"], "latin-1", ("Grünwälder", "Jörg")),
    Patient("p02", "Достоевская^Аглая", ["ISO_IR 144"], "iso8859_5", ("Достоевская", "Аглая")),
    Patient(
        *("p03", "Παπαδοπούλου^Ελένη", ["ISO_IR 126"], "iso8859_7"),
        *(("Παπαδοπούλου", "Ελένη"), "few slices"),
    ),
    Patient(
        *("p04", "Yamadera^Tarousuke=山寺^太郎助", ["", "ISO 2022 IR 87"], "iso2022_jp"),
        *(("Yamadera", "Tarousuke", "山寺", "太郎助"), "cut"),
    ),
    Patient(
        *("p05", "Ouyang^XiaoDongMei=欧阳^小冬梅", ["GB18030"], "gb18030"),
        *(("Ouyang", "XiaoDongMei", "欧阳", "小冬梅"), "cut header"),
    ),
    Patient(
        *("p06", "Łukasiewiczówna^Świętosława", ["ISO_IR 192"], "utf-8"),
        ("Łukasiewiczówna", "Świętosława"),
    ),
    # The files say UTF-8 and hold Latin-1.
    Patient("p07", "Quiñónez^Íñigo", ["ISO_IR 192"], "latin-1", ("Quiñónez", "Íñigo")),
)
CRASHES, IS_NIFTI = "p07", "p06"

TEXTS = {
    "PatientID": "HX7734119",
    "IssuerOfPatientID": "Xyloburg PIX",
    "OtherPatientNames": "Zweigelstein^Quirina",
    "PatientBirthName": "Ochsenkrug",
    "PatientMotherBirthName": "Hagedornius",
    "PatientBirthDate": "19310417",
    "PatientBirthTime": "034217",
    "PatientAge": "093Y",
    "PatientAddress": "Kastanienallee 1147, Xyloburg",
    "PatientTelephoneNumbers": "+49 6221 5558123",
    "EthnicGroup": "Sorbisch-W",
    "Occupation": "Glockengiesser",
    "PatientComments": "neighbour of Vandersloot",
    "AdditionalPatientHistory": "fell in Oktoberwald",
    "CurrentPatientLocation": "Ward Q7 bed 12",
    "AdmissionID": "ADM8840021",
    "MedicalRecordLocator": "MRL-5540-77",
    "InsurancePlanIdentification": "AOK-7788-1",
    "AccessionNumber": "ACC5550123",
    "StudyID": "STU66120",
    "StudyDate": "20230615",
    "SeriesDate": "20230616",
    "AcquisitionDate": "20230617",
    "ContentDate": "20230618",
    "AcquisitionDateTime": "20230617134752.118342",
    "StudyTime": "134752.118",
    "InstitutionName": "Krankenhaus Xyloburg",
    "InstitutionAddress": "Am Steinbruch 3, 99999 Xyloburg",
    "InstitutionalDepartmentName": "Radiologie Nordflügel",
    "StationName": "XYLOCT1",
    "DeviceSerialNumber": "SN-900417",
    "DeviceUID": "1.2.276.0.7230010.3.7.8323329.4710",
    "GantryID": "Gantry-Xylo-2",
    "OperatorsName": "Bertelsmeyer^Utelinde",
    "ReferringPhysicianName": "Vandersloot^Igorius",
    "ReferringPhysicianTelephoneNumbers": "06221-5559944",
    "PerformingPhysicianName": "Szymborska^Wisława",
    "NameOfPhysiciansReadingStudy": "Terwilliger^Annelotte",
    "RequestingPhysician": "Mbeki-Okonkwo^Chidi",
    "RequestingService": "Onkologie Tagesklinik West",
    "StudyDescription": "Zweigelstein follow-up 15.06.2023",
    "SeriesDescription": "Abdomen Zweigelstein 15.06.2023",
    "ProtocolName": "Vandersloot special",
    "RequestedProcedureDescription": "CT fuer Dr. Vandersloot",
    "ImageComments": "Zweigelstein, room 12",
    "ManufacturerModelName": "Xyloburg unit 3",
    "Manufacturer": "SIEMENS for Xyloburg",
    "ConvolutionKernel": "Zweigelkernel",
    "ContrastBolusAgent": "for Zweigelstein",
    "SoftwareVersions": "patched by Terwilliger",
    "StudyInstanceUID": "1.2.276.0.7230010.3.1.2.8323329.4711",
    "SeriesInstanceUID": "1.2.276.0.7230010.3.1.3.8323329.4712",
    "FrameOfReferenceUID": "1.2.276.0.7230010.3.1.4.8323329.4713",
}
"""Elements of every DICOM file. Umlauts and the like are in the sets of those who can hold them."""

ELSEWHERE = {
    "SOPInstanceUID": "1.2.276.0.7230010.3.1.5.8323329",
    "private tag": "Privatissima Oberländer",
    "nested name": "Referent^Nestedius",
    "overlay comment": "Overlay Marginalia 77",
    "source application entity": "AE_XYLOHOST",
    "private information of the file meta": "PRIVINFO-88213",
    "preamble": "preamble of Ochsenmeister",
    "data set trailing padding": "TRAILING-661-Padder",
    "NIfTI descrip": "descrip Fitzwilliam",
    "NIfTI aux_file": "aux-Fitzgerald.txt",
    "NIfTI db_name": "db-Fitzpatrick",
    "NIfTI intent_name": "intent-Fitzroy",
    "NIfTI extension": "extension Fitzsimmons 1931",
    "name of a DICOM folder": "Studie_vom_15-06-2023_Kniebrecht",
    "name of a file": "IM_Hollerbusch",
    "name of another file": "Arztbrief_Immergruen.txt",
    "text of another file": "Dear colleague Winterfeldt",
    "name of a mask": "Maske_Lindwurmer",
    "NIfTI descrip of a mask": "mask by Sauerbier",
    "column of the clinical table": "Frau Rosenquist-Amsel",
    "phone in the clinical table": "0170-5551299",
    "column of the participants table": "calls herself Birdie Nightingale",
    "comment of a listed level": "asked Dr. Pfefferkorn",
    "printed by a library": "printed Abendroth",
    "warned by a library": "warned Morgenstern",
    "printed by C code": "puts Mitternacht",
    "message of an exception": "raised Zwielichter",
}

PARTS = ("Zweigelstein", "Quirina", "Vandersloot", "Xyloburg", "Terwilliger", "7230010", "8323329")
"""Looked for besides the whole texts."""


def traces() -> dict[str, str]:
    """What is looked for: where it was planted, and the text."""
    found = {place: text for place, text in (TEXTS | ELSEWHERE).items() if place != "PatientAge"}
    for place, text in TEXTS.items():
        if place.endswith("Name") and "^" in text:
            found |= {f"{place} {i}": part for i, part in enumerate(text.split("^"))}
        if re.fullmatch(r"(19|20)\d{6}", text):
            y, m, d = text[:4], text[4:6], text[6:]
            found |= {f"{place} in ISO": f"{y}-{m}-{d}", f"{place} in German": f"{d}.{m}.{y}"}
    found |= {f"part {part}": part for part in PARTS}
    for patient in PATIENTS:
        found |= {f"name of {patient.scan_id}: {part}": part for part in patient.traces}
    return found


def plain_name(patient: Patient) -> str:
    """The name as a folder is called after it."""
    return patient.name.replace("^", "_").replace("=", " ") + " 19310417"
