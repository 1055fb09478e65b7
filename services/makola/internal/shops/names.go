package shops

var (
	women    = []string{"Abena", "Adwoa", "Akosua", "Akua", "Ama", "Afia", "Yaa", "Esi", "Efua", "Araba", "Dede", "Naa", "Mawusi", "Edem", "Fati", "Zainab", "Grace", "Comfort", "Mercy", "Patience"}
	men      = []string{"Kwame", "Kofi", "Kwaku", "Yaw", "Kwabena", "Kojo", "Kwasi", "Kwesi", "Nii", "Tetteh", "Selorm", "Senyo", "Ibrahim", "Alhassan", "Emmanuel", "Daniel", "Isaac", "Samuel", "Ebo", "Fiifi"}
	families = []string{"Mensah", "Owusu", "Boateng", "Asante", "Osei", "Appiah", "Agyeman", "Addo", "Ofori", "Darko", "Quaye", "Lamptey", "Amoah", "Ansah", "Acheampong", "Sarpong", "Agbeko", "Dzokoto", "Abdulai", "Issah", "Baidoo", "Quansah", "Essien", "Nartey", "Tagoe"}
	streets  = []string{"Oxford Street", "Ring Road", "Spintex Road", "Nima Highway", "Lagos Avenue", "Kaneshie Market", "High Street", "Liberation Road", "Mission Street", "Station Road", "Zongo Lane", "Asafo Market"}
	towns    = []string{"Accra", "Kumasi", "Tema", "Takoradi", "Cape Coast", "Tamale", "Ho", "Koforidua", "Sunyani", "Madina", "Kasoa", "Obuasi"}
	firms    = []string{"Chop Bar", "Guest House", "Preparatory School", "Catering", "Canteen", "Clinic", "Hotel", "Salon", "Church Office", "Transport"}
	prefixes = []string{"24", "54", "55", "59", "20", "50", "27", "57", "26"}
)

// person invents a name.
func (c chance) person() string {
	first := women
	if c.often(0.5) {
		first = men
	}
	return pick(c, first) + " " + pick(c, families)
}
